"""The paper's FLOPs, by our count; docs/paper-flops.md shows the same tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scaling.sweeps.paper_points import (
    AB_TEST,
    COEFFICIENTS,
    EQUAL_FLOPS,
    Shape,
    ab_table,
    coefficient_table,
    equal_table,
    fitted,
    formula,
    nominal_flops,
    nominal_model,
)

DOC = Path(__file__).parents[2] / "docs" / "paper-flops.md"


def test_the_nominal_models_history_gives_the_ab_figures_within_four_percent() -> None:
    assert len(AB_TEST) == 8
    for shape, paper in AB_TEST.items():
        assert nominal_flops(shape) == pytest.approx(paper, rel=0.04)


def test_the_formula_gives_the_ab_figures_within_one_percent() -> None:
    for shape, paper in AB_TEST.items():
        assert formula(shape) == pytest.approx(paper, rel=0.01)


def test_fitting_the_ab_figures_gives_its_coefficients_within_one_percent() -> None:
    assert fitted(AB_TEST) == pytest.approx(dict(COEFFICIENTS), rel=0.01)


def test_the_fit_recovers_known_coefficients() -> None:
    known = {"a": 1e5, "b": 2e4, "c": 300.0, "k": 5e6}
    made = {shape: formula(shape, known) for shape in AB_TEST}
    assert fitted(made) == pytest.approx(known, rel=1e-6)


def test_our_count_has_the_formulas_form_with_coefficients_of_the_width() -> None:
    """24 d^2 per event and layer, 4 d^2 in the last, 2 d s^2 per layer in two blocks."""
    d = nominal_model(Shape(100, 1)).width
    exact = {"a": 24.0 * d * d, "b": 4.0 * d * d, "c": 2.0 * d, "k": COEFFICIENTS["k"]}
    shapes = [*AB_TEST, *(shape for group in EQUAL_FLOPS.values() for shape in group)]
    for shape in shapes:
        assert nominal_flops(shape) == pytest.approx(formula(shape, exact), rel=1e-12)
    # What the docs say about width 100: only the quadratic term's coefficient is within 1 %.
    off = {name: exact[name] / COEFFICIENTS[name] - 1 for name in ("a", "b", "c")}
    assert off == pytest.approx({"a": -0.028, "b": -0.034, "c": 0.002}, abs=5e-4)


def test_equal_length_times_layers_is_not_equal_compute() -> None:
    assert sum(len(shapes) for shapes in EQUAL_FLOPS.values()) == 11
    for shapes in EQUAL_FLOPS.values():
        assert len({shape.length * shape.layers for shape in shapes}) == 1
    share = {
        shape: nominal_flops(shape) / group
        for group, shapes in EQUAL_FLOPS.items()
        for shape in shapes
    }
    assert 1 / share[Shape(1600, 1)] == pytest.approx(6.2, abs=0.1)
    assert share[Shape(400, 16)] == pytest.approx(0.76, abs=0.005)
    assert share[Shape(200, 16)] == pytest.approx(0.84, abs=0.005)


@pytest.mark.parametrize("table", [ab_table, coefficient_table, equal_table])
def test_the_page_shows_what_the_code_counts(table: Callable[[], str]) -> None:
    assert table() in DOC.read_text(encoding="utf-8"), (
        "docs/paper-flops.md differs: put in what `python -m scaling.sweeps.paper_points` prints"
    )
