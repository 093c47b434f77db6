"""Imports point down, heavy ones stay in their place, and third-party ones are declared.

Files are parsed, not imported. Each checker is shown to complain on a tree with the fault in it.
"""

from __future__ import annotations

import ast
import graphlib
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Literal

import pytest

ROOT = Path(__file__).parents[1]
LINKED = ("models", "datasets", "sweeps", "analysis", "dashboards")

MAY_IMPORT = {
    "scaling.models": ("batch", "batch_check", "compute", "config", "diagnostics", "models", "registry"),
    "scaling.datasets": ("batch", "compute", "config", "datasets", "portrait", "registry"),
    "scaling.analysis": (
        "analysis", "config", "diagnostics", "portrait", "registry", "runs", "units",
    ),
    "scaling.dashboards": ("analysis", "dashboards", "portrait", "runs", "units"),
}  # fmt: skip
"""All that a folder may import of scaling."""

UPWARDS = {
    "scaling.sweeps": ("analysis", "cli", "dashboards"),
    "scaling": ("analysis", "cli", "dashboards", "sweeps"),
}
"""What the other folders may not import; `scaling.cli*` may import everything."""

SERVING = ("fastapi", "prometheus_client", "pydantic", "starlette", "uvicorn")
"""What the extra `serve` installs besides Ray Serve; `climber serve` alone imports it."""
ONLY_IN: dict[str, tuple[str, ...]] = dict.fromkeys(SERVING, ("scaling.serving",))
ONLY_IN |= {"dash": ("scaling.dashboards",), "mlflow": ("scaling.tracking",)}
ONLY_IN["ray"] = ("scaling.sweeps.runner", "scaling.serving_ray")
"""Modules whose names begin like this may import that package, no others."""

FREE_OF = {
    "scaling.analysis": ("torch", "ray", "mlflow"),
    "scaling.dashboards": ("torch", "ray", "mlflow"),
}
"""What a folder may not import, not even through others or inside a function."""

SLOW_TO_IMPORT = (
    "torch", "ray", "mlflow", "numpy", "pandas", "scipy", "matplotlib", "pyarrow", "jinja2", "duckdb", "dash", "plotly",
)  # fmt: skip
"""What `climber --help` may not wait for."""

USED_AS_TOOLS = {
    "mypy", "pandas-stubs", "pre-commit", "pytest-timeout", "ruff", "scipy-stubs", "setuptools",
}  # fmt: skip
"""Dependencies of the extra `dev` that are run rather than imported."""

When = Literal["now", "later", "never"]


@dataclass(frozen=True)
class Import:
    target: str
    """Dotted name of what is imported, with the imported name behind the module's."""
    when: When
    """`now`: importing the module runs it; `later`: inside a function; `never`: for types alone."""


Imports = Mapping[str, tuple[Import, ...]]
"""By importing module."""


def read_imports(root: Path) -> dict[str, tuple[Import, ...]]:
    """The imports of every module of the package, by the names under which they are imported."""
    files = [path for path in (root / "scaling").rglob("*.py") if not _linked(path, root)]
    files += [path for name in LINKED for path in (root / name).rglob("*.py")]
    found = {}
    for path in sorted(files):
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts if parts[0] == "scaling" else ("scaling", *parts)
        name = ".".join(parts).removesuffix(".__init__")
        found[name] = tuple(_imports(ast.parse(path.read_text(), str(path)), "now"))
    return found


def _linked(path: Path, root: Path) -> bool:
    return path.relative_to(root / "scaling").parts[0] in LINKED


def _imports(node: ast.AST, when: When) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, when) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            yield from (Import(f"{module}.{alias.name}", when) for alias in child.names)
        elif isinstance(child, ast.Call) and "import" in ast.unparse(child.func):
            # importlib.import_module("name"), __import__("name")
            arguments = (a.value for a in child.args[:1] if isinstance(a, ast.Constant))
            yield from (Import(str(value), when) for value in arguments)
        inside = when
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            inside = "never"
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and when == "now":
            inside = "later"
        yield from _imports(child, inside)


def within(name: str, places: Iterable[str]) -> bool:
    """Whether `name` is one of the places or inside one."""
    return any(name == place or name.startswith(place + ".") for place in places)


def direction_complaints(imports: Imports) -> Iterator[str]:
    """Imports that point up or sideways, relative imports, and circles."""
    for module, found in imports.items():
        for target in (i.target for i in found):
            if target.startswith("."):
                yield f"{module} has a relative import: {target}"
            elif not _may_import(module, target):
                yield f"{module} may not import {target}"
    running: tuple[When, ...] = ("now", "later")
    graph = {module: set(_inside(imports, module, running)) - {module} for module in imports}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"imports in a circle: {' <- '.join(error.args[1])}"


def _may_import(module: str, target: str) -> bool:
    if module.startswith(("scaling.cli", "scaling.__main__")) or not within(target, ["scaling"]):
        return True
    folder = next(f for f in [*MAY_IMPORT, *UPWARDS] if within(module, [f]))
    if folder in MAY_IMPORT:
        return within(target, [f"scaling.{name}" for name in MAY_IMPORT[folder]])
    return not within(target, [f"scaling.{name}" for name in UPWARDS[folder]])


def weight_complaints(imports: Imports) -> Iterator[str]:
    """Heavy packages outside their place, on any way."""
    for module, found in imports.items():
        for package, places in ONLY_IN.items():
            if not module.startswith(places) and any(within(i.target, [package]) for i in found):
                yield f"{module} may not import {package}: only {'*, '.join(places)}* may"
        for folder, packages in FREE_OF.items():
            if within(module, [folder]):
                yield from _reached(imports, module, packages, ("now", "later"))
        if module.startswith("scaling.cli"):
            yield from _reached(imports, module, (*SLOW_TO_IMPORT, *SERVING), ("now",))


def _reached(
    imports: Imports, start: str, packages: Iterable[str], when: tuple[When, ...]
) -> Iterator[str]:
    """Which of the packages importing `start` would import, through which modules."""
    ways = {start: start}
    queue = [start]
    for module in queue:
        for found in imports[module]:
            if within(found.target, packages) and found.when in when:
                yield f"{start} reaches {found.target}: {ways[module]}"
        parents = (module.rsplit(".", n)[0] for n in range(1, module.count(".") + 1))
        for following in (*parents, *_inside(imports, module, when)):
            if following in imports and following not in ways:
                ways[following] = f"{ways[module]} -> {following}"
                queue.append(following)


def _inside(imports: Imports, module: str, when: tuple[When, ...]) -> Iterator[str]:
    """The modules of the package that a module imports."""
    for found in imports[module]:
        if found.when in when:
            parts = found.target.split(".")
            prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
            yield from [name for name in prefixes if name in imports][:1]


def declaration_complaints(
    project: Mapping[str, Any], package: Iterable[str], tests: Iterable[str]
) -> Iterator[str]:
    """Imports without a declared dependency, and dependencies without an import."""
    extras = project["optional-dependencies"]
    needed = {_normal(r) for r in [*project["dependencies"], *extras.get("serve", ())]}
    dev = {_normal(r) for r in extras["dev"]}
    package, tests = third_party(package), third_party(tests)
    for where, names, declared in (("scaling", package, needed), ("tests", tests, needed | dev)):
        for name in sorted(names):
            if not distributions(name) & declared:
                yield f"{where} imports {name}, which pyproject.toml doesn't declare"
    for where, declared, names in (
        ("dependencies", needed, package),
        ("dev", dev - USED_AS_TOOLS, package | tests),
    ):
        for name in sorted(declared - {d for used in names for d in distributions(used)}):
            yield f"{name} of {where} is imported nowhere"
    yield from (f"{name} is no dependency any more" for name in sorted(USED_AS_TOOLS - dev))


def third_party(targets: Iterable[str]) -> set[str]:
    """Top-level names that are neither the standard library's nor ours."""
    names = {target.partition(".")[0] for target in targets if not target.startswith(".")}
    return names - sys.stdlib_module_names - {"scaling", "tests", "conftest"}


def distributions(name: str) -> set[str]:
    """The distributions that may install a top-level name; where unknown, the one named so."""
    return {_normal(found) for found in _installed().get(name, [name])}


@cache
def _installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def _normal(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def test_imports_point_down() -> None:
    imports = read_imports(ROOT)
    assert {"scaling.config", "scaling.models.base"} <= set(imports)
    assert list(direction_complaints(imports)) == []


def test_heavy_imports_stay_in_their_place() -> None:
    assert list(weight_complaints(read_imports(ROOT))) == []


def test_third_party_imports_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    package = [i.target for found in read_imports(ROOT).values() for i in found]
    files = (ROOT / "tests").rglob("*.py")
    tests = [i.target for f in files for i in _imports(ast.parse(f.read_text()), "now")]
    assert list(declaration_complaints(project, package, tests)) == []


def write(root: Path, files: Mapping[str, str]) -> Imports:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return read_imports(root)


FINE = {
    "scaling/__init__.py": "from pathlib import Path",
    "scaling/batch.py": "import torch",
    "scaling/cli.py": "import click\ndef plan():\n    from scaling.sweeps import runner",
    "scaling/runs.py": "import pandas",
    "scaling/tracking.py": "import mlflow\nfrom scaling import batch",
    "models/a.py": "from scaling.batch import View",
    "sweeps/runner.py": "import ray\nfrom scaling.tracking import log",
    "analysis/fit.py": "from scaling import runs\nfrom scaling.analysis.laws import Law",
    "analysis/laws.py": "from scaling.runs import COLUMNS\nfrom typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from scaling.analysis.fit import Fit",
    "dashboards/page.py": "import scaling.analysis.fit",
}


def test_accepts_a_fine_tree(tmp_path: Path) -> None:
    imports = write(tmp_path, FINE)
    assert set(imports) >= {"scaling", "scaling.batch", "scaling.models.a"}
    assert [*direction_complaints(imports), *weight_complaints(imports)] == []


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("models/a.py", "import scaling.datasets.b", "scaling.models.a may not import"),
        ("models/a.py", "from scaling import tracking", "may not import scaling.tracking"),
        ("models/a.py", "from . import base", "relative import"),
        ("datasets/d.py", "from scaling.trial import T", "may not import scaling.trial.T"),
        ("analysis/x.py", "import scaling.training", "may not import scaling.training"),
        ("dashboards/x.py", "import scaling.trial", "may not import scaling.trial"),
        ("sweeps/grid.py", "def f():\n    import scaling.analysis.fit", "may not import"),
        ("scaling/batch.py", "import scaling.sweeps.runner", "scaling.batch may not import"),
        ("scaling/runs.py", "if TYPE_CHECKING:\n    import scaling.sweeps.grid", "may not import"),
        ("scaling/runs.py", "from scaling.cli import main", "may not import scaling.cli.main"),
        ("scaling/runs.py", "import importlib\nimportlib.import_module('scaling.cli')", "may not"),
        ("analysis/laws.py", "from scaling.analysis.fit import F", "in a circle"),
        ("analysis/x.py", "import torch", "scaling.analysis.x reaches torch"),
        ("scaling/runs.py", "def f():\n    import torch.nn", "analysis.laws -> scaling.runs"),
        ("sweeps/grid.py", "from ray import tune", "ray: only scaling.sweeps.runner*, scaling"),
        ("scaling/batch.py", "def f():\n    import mlflow", "only scaling.tracking* may"),
        ("scaling/batch.py", "import uvicorn", "only scaling.serving* may"),
        ("scaling/cli.py", "import pandas as pd", "scaling.cli reaches pandas"),
        ("scaling/cli.py", "from scaling.models import a", "reaches torch: scaling.cli -> "),
        ("scaling/__init__.py", "import numpy", "scaling.cli reaches numpy"),
    ],
)
def test_complains(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    imports = write(tmp_path, {**FINE, name: text})
    assert complaint in "\n".join([*direction_complaints(imports), *weight_complaints(imports)])


def test_complains_about_declarations() -> None:
    project = {
        "dependencies": ["unused-thing>=1", "Used_thing>=2"],
        "optional-dependencies": {"dev": ["test.thing", *USED_AS_TOOLS - {"ruff"}]},
    }
    found = list(
        declaration_complaints(
            project,
            package=["os.path", "used_thing.x", "scaling.batch", "test_thing"],
            tests=["used_thing", "test_thing", "surprise"],
        )
    )
    assert found == [
        "scaling imports test_thing, which pyproject.toml doesn't declare",
        "tests imports surprise, which pyproject.toml doesn't declare",
        "unused-thing of dependencies is imported nowhere",
        "ruff is no dependency any more",
    ]
