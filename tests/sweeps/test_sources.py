"""What SWEEP and --set may be on the command line, and what is said about the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
        (lambda folder, tiny: f"{tiny}:bag", r"no function 'bag'; valid: bags, teams$"),
        (lambda folder, tiny: str(tiny), r"say `.*tiny.py:FUNCTION`, of bags, teams$"),
        (lambda folder, tiny: f"{folder}/none.py:f", "no file at .*none.py"),
        (lambda folder, tiny: f"{broken(folder)}:f", "broken.py:1 fails: KeyError: 'no'"),
        (lambda folder, tiny: f"{folder}/none.json", "no readable spec at .*none.json"),
    ],
)
def test_sources_that_are_none(
    source: Callable[[Path, str], str], message: str, tmp_path: Path, tiny: Any
) -> None:
    with pytest.raises(ValueError, match=message):
        load_sweep(source(tmp_path, tiny.__file__))


FAULTY = """
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import variants

def faulty(*, widths: tuple[int, ...] = (16,), fault: str = "") -> Sweep:
    if fault == "bug":
        return widths.trials
    template = SWEEPS.get("quickstart")().trials[0].model
    models = variants(
        template, width=widths)
    return Sweep(title="faulty", trials=())
"""


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"fault": "bug"}, "faulty.py:7: faulty: AttributeError: 'tuple' object has no"),
        ({"widths": "17"}, r"faulty.py:(9|10): faulty: transformer can't have width=17"),
        ({}, "faulty.py:11: faulty: sweep 'faulty' has no trials"),
    ],
)
def test_an_error_in_a_users_function_names_its_line(
    axes: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "faulty.py"
    path.write_text(FAULTY)
    source = load_sweep(f"{path}:faulty")
    assert not isinstance(source, Sweep)
    with pytest.raises(ValueError, match=message):
        fill(source, axes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef f(:\n    pass\n", "wrong.py:2 fails: SyntaxError: invalid syntax"),
        ("def f():\n    return 1 / 0\n\nx = f()\n", "wrong.py:2 fails: ZeroDivisionError: "),
        ("\n\nimport no_such_module\n", "wrong.py:3 fails: ModuleNotFoundError: No module"),
    ],
)
def test_a_file_that_can_not_be_run_names_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_sweep(f"{path}:f")


def test_installed_plug_ins_are_found(tiny: Any, tmp_path: Path) -> None:
    """A distribution with an entry point: its sweep by name, and in it a model of its own."""
    facts = tmp_path / "climber_bags-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: climber-bags\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[climber.plugins]\nbags = climber_bags\n")
    registered = "\nfrom scaling.sweeps.base import SWEEPS\nSWEEPS.register('bags')(bags)\n"
    (tmp_path / "climber_bags.py").write_text(Path(tiny.__file__).read_text() + registered)
    paths = [str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    ask = (
        "from scaling.sweeps.base import SWEEPS, Sweep\n"
        "made = SWEEPS.get('bags')()\n"
        "assert Sweep.from_dict(made.to_dict()) == made\n"
        "print(type(made.trials[0].model).__module__, len(made.trials))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["climber_bags", "4"], done.stderr


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
        (spoiled(lambda d: d["trials"][0]["model"].update(version=9)), "version 9.*write it anew"),
    ],
)
def test_broken_specs(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"(?s)spec\.json.*{message}"):
        read_spec_file(path)
