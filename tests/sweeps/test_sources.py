"""What SWEEP and --set may be on the command line, and what is said about the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from scaling.sweeps.axes_values import axes_of, fill, show
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.plan import make_plan
from scaling.sweeps.sources import load_sweep, read_spec_file

EMBEDDED = ("quickstart", "axes")
"""Sweeps whose data come with the platform; the others need their files to rank sizes by FLOPs."""


def test_every_registered_sweep_has_typed_axes() -> None:
    assert {*EMBEDDED, "movielens", "kuairand"} <= set(SWEEPS.names())
    for name in SWEEPS.names():
        axes = axes_of(SWEEPS.get(name))
        assert "seeds" in axes, name
        assert {"widths", "width"} & set(axes), name
        assert {"budgets", "requests", "epochs", "examples_per_mflop"} & set(axes), name


@pytest.mark.parametrize("name", EMBEDDED)
def test_what_is_shown_as_the_default_is_the_default(name: str) -> None:
    sweep = SWEEPS.get(name)
    text = {axis: show(value) for axis, value in axes_of(sweep).items()}
    assert fill(sweep, text) == sweep()


@pytest.mark.parametrize("name", ["movielens", "kuairand"])
def test_absent_data_come_with_their_cure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path))
    monkeypatch.delenv("CLIMBER_KUAIRAND", raising=False)
    with pytest.raises(ValueError, match=rf"(?s){name}.*(data fetch|Get https)"):
        make_plan(fill(SWEEPS.get(name), {}), tracking_uri=f"sqlite:///{tmp_path}/none.db")


def test_axes_are_parsed_by_their_types() -> None:
    quickstart = SWEEPS.get("quickstart")
    made = fill(
        quickstart,
        {
            "budgets": "3e10, 1e11",
            "widths": "16,32,48",
            "seeds": "3",
            "architectures": "transformer",
            "blocks": "1e0",
        },
    )
    assert {trial.budget for trial in made.trials} == {3e10, 1e11}
    assert {trial.seed for trial in made.trials} == {3}
    assert {trial.model.name for trial in made.trials} == {"transformer"}


def typed(
    *,
    rule: Literal["a", "b"] = "a",
    fast: bool = False,
    limit: int | None = None,
    name: str = "x",
) -> Sweep:
    title = f"{rule} {fast} {limit} {name}"
    return Sweep(title=title, trials=SWEEPS.get("quickstart")().trials[:1])


def test_all_kinds_of_types() -> None:
    assert fill(typed, {}).title == "a False None x"
    made = fill(typed, {"rule": "b", "fast": "TRUE", "limit": "7", "name": "y z"})
    assert made.title == "b True 7 y z"
    assert fill(typed, {"limit": "none"}).title == "a False None x"


@pytest.mark.parametrize(
    ("sweep", "axis", "text", "message"),
    [
        ("quickstart", "budget", "1e9", "no axis 'budget'; valid: architectures, budgets, depths"),
        ("quickstart", "widths", "16,x", r"axis widths='16,x': 'x' is not a number \(default: "),
        ("quickstart", "widths", "16.5", "'16.5' is not a whole number"),
        ("quickstart", "budgets", "nan", "'nan' is not a number"),
        ("quickstart", "budgets", "1e999", "'1e999' is not a number"),
        ("quickstart", "budgets", "", "no values"),
        ("quickstart", "budgets", "-1", "must be positive"),
        ("quickstart", "architectures", "astra", "unknown model 'astra'; valid: .*astro"),
        ("quickstart", "seq_lens", "0", "at least 1"),
        ("quickstart", "seq_lens", "65", "does not divide into 2 blocks"),
        ("quickstart", "blocks", "9", "blocks must be 1 to 2"),
        ("movielens", "split", "random", "'random' is none of temporal, per_user"),
    ],
)
def test_wrong_axes_and_values(sweep: str, axis: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fill(SWEEPS.get(sweep), {axis: text})


def test_functions_need_types_and_defaults() -> None:
    def untyped(*, widths=(1, 2)):  # type: ignore[no-untyped-def]
        return None

    def required(*, widths: tuple[int, ...]) -> Sweep:
        raise NotImplementedError

    for function in (untyped, required):
        with pytest.raises(ValueError, match="argument 'widths' needs a type and a default"):
            fill(function, {})


def test_a_function_that_makes_no_sweep() -> None:
    def wrong() -> Sweep:
        return None  # type: ignore[return-value]

    with pytest.raises(ValueError, match="wrong returned NoneType, not a Sweep"):
        fill(wrong, {})


def test_names_and_files(tiny: Any) -> None:
    assert load_sweep("quickstart") is SWEEPS.get("quickstart")
    assert load_sweep(f"{tiny.__file__}:bags") is tiny.bags, "a file is run once"


def broken(folder: Path) -> Path:
    path = folder / "broken.py"
    path.write_text("raise KeyError('no')\n")
    return path


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            lambda folder, tiny: "quickstat",
            "unknown sweep 'quickstat'; valid: ablation, .*quickstart",
        ),
        (lambda folder, tiny: f"{tiny}:bag", r"no function 'bag'; valid: bags$"),
        (lambda folder, tiny: str(tiny), r"say `.*tiny.py:FUNCTION`, of bags$"),
        (lambda folder, tiny: f"{folder}/none.py:f", "no file at .*none.py"),
        (lambda folder, tiny: f"{broken(folder)}:f", "broken.py fails: KeyError: 'no'"),
        (lambda folder, tiny: f"{folder}/none.json", "no readable spec at .*none.json"),
    ],
)
def test_sources_that_are_none(
    source: Callable[[Path, str], str], message: str, tmp_path: Path, tiny: Any
) -> None:
    with pytest.raises(ValueError, match=message):
        load_sweep(source(tmp_path, tiny.__file__))


@pytest.mark.parametrize("name", EMBEDDED)
def test_specs_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    sweep = SWEEPS.get(name)()
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(sweep.to_dict()))
    again = read_spec_file(path)
    assert again == sweep
    assert again.digest() == sweep.digest()


def spoiled(change: Callable[[dict[str, Any]], None]) -> str:
    data = SWEEPS.get("quickstart")().to_dict()
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[1]", "must be an object with `title` and `trials`"),
        (spoiled(lambda d: d.pop("title")), "must be an object with `title` and `trials`"),
        (spoiled(lambda d: d.update(trials=[])), "has no trials"),
        (spoiled(lambda d: d.update(extra=1)), "no field 'extra'"),
        (spoiled(lambda d: d["trials"][0].pop("seed")), "missing.*'seed'"),
        (spoiled(lambda d: d["trials"][0]["model"].update(name="x")), "unknown model 'x'"),
        (spoiled(lambda d: d["trials"][0]["model"].update(version=9)), "of version 9"),
    ],
)
def test_broken_specs(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"(?s)spec\.json.*{message}"):
        read_spec_file(path)
