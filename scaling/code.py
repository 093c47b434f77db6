"""Which code made a run: a hash of the sources that decide a trial's outcome."""

from __future__ import annotations

import ast
import functools
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scaling.trial import TrialConfig

_PACKAGE = Path(__file__).parent

_WITHOUT_EFFECT = frozenset({"scaling.registry", "scaling.results", "scaling.units"})
"""Imported by what counts, but nothing in them can change a number."""


def code_digest(trial: TrialConfig) -> str:
    """Hash of the model's, the data set's and the training (or counting) loop's code, with all they
    import.

    Comments, docstrings and formatting don't count, nor do the files of other models and data sets:
    adding an architecture leaves the runs of the others valid.
    """
    run = "scaling.counting" if trial.model.role == "reference" else "scaling.training"
    return _digest(run, type(trial.model).__module__, type(trial.dataset).__module__)


@functools.cache
def git_commit() -> str | None:
    """The commit of this checkout, with `-dirty` where files differ from it; None outside of git."""
    root = _PACKAGE.parent
    if _git(root, "rev-parse", "--show-toplevel") != str(root.resolve()):
        return None
    commit = _git(root, "rev-parse", "HEAD")
    dirty = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if commit and dirty else commit


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


@functools.cache
def _digest(*modules: str) -> str:
    total = hashlib.sha256()
    for name, path in sorted(_closure(*modules).items()):
        total.update(f"{name}\n{_normal_form(path)}\n".encode())
    return total.hexdigest()[:16]


def _closure(*modules: str) -> dict[str, Path]:
    """The files of some modules and of all modules of this package that they import."""
    found: dict[str, Path] = {}
    queue = list(modules)
    for name in queue:
        path = _file(name)
        if path is None or name in found or name in _WITHOUT_EFFECT:
            continue
        found[name] = path
        queue += _imported(path)
    return found


def _file(module: str) -> Path | None:
    """Where a module's source lies; None for what is no module of ours."""
    root, *rest = module.split(".")
    if root == "scaling":
        path = _PACKAGE.joinpath(*rest).with_suffix(".py") if rest else None
        return path if path is not None and path.is_file() else None
    loaded = getattr(sys.modules.get(module), "__file__", None)
    return Path(loaded) if loaded else None


def _imported(path: Path) -> Iterator[str]:
    """Dotted names that a file imports from this package: modules, and perhaps names in them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "scaling":
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "scaling")


def _normal_form(path: Path) -> str:
    """The source without comments, docstrings and layout."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # A docstring, or a field's: a string that stands alone does nothing.
            kept = [s for s in body if not (isinstance(s, ast.Expr) and _is_text(s.value))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
