"""The layout of the checkout: links, folders, sizes, and what tracked files may name.

Each checker returns its complaints; it is shown to complain on a tree with the fault in it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LINKED = ("models", "datasets", "sweeps", "analysis", "dashboards")
FOLDERS = ("scaling", *LINKED, "tests")
MOST_LINES = 320

# A machine's own paths, and hosts that packages are fetched from.
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(work|root|opt|home/\w+|Users/\w+)/")
REGISTRY_HOST = re.compile(
    r"pypi\.(org|python)|pythonhosted\.(org|com)|download\.pytorch\.|registry\.npmjs\."
    r"|(deb|security|archive)\.(debian|ubuntu)\.|conda\.anaconda\.|crates\.io|proxy\.golang\.",
    re.IGNORECASE,
)


def folder_complaints(root: Path) -> Iterator[str]:
    """The seven folders, the five links, and nothing that makes a linked folder importable."""
    for name in FOLDERS:
        if not (root / name).is_dir():
            yield f"no folder {name}"
    for name in LINKED:
        link = root / "scaling" / name
        if not link.is_symlink():
            yield f"scaling/{name} is not a symbolic link"
        elif str(link.readlink()) != f"../{name}":
            yield f"scaling/{name} leads to {link.readlink()}, not to ../{name}"
        if (root / name / "__init__.py").exists():
            yield f"{name}/__init__.py makes a top-level package {name!r} importable"
    for path in sorted((root / "scaling").glob("*")):
        if path.is_symlink() and path.name not in LINKED:
            yield f"scaling/{path.name} is a link that the layout doesn't know"


def config_complaints(config: Mapping[str, Any]) -> Iterator[str]:
    """What pyproject.toml has to say about the layout."""
    tool = config["tool"]
    found = tool["setuptools"]["packages"]["find"]["include"]
    if found != ["scaling*"]:
        yield f"setuptools would package {found}, not only scaling*"
    banned = tool["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    if set(banned) != set(LINKED):
        yield f"ruff bans the imports {sorted(banned)}, not {sorted(LINKED)}"
    if tool["ruff"]["lint"]["isort"]["known-first-party"] != ["scaling"]:
        yield "ruff must know scaling, and only it, as first-party"


def text_complaints(files: Mapping[str, str]) -> Iterator[str]:
    """Paths of one machine and names of registries in files that everybody gets."""
    for name, text in files.items():
        for number, line in enumerate(text.splitlines(), start=1):
            for what, pattern in (("machine path", MACHINE_PATH), ("registry", REGISTRY_HOST)):
                if match := pattern.search(line):
                    yield f"{name}:{number} names a {what}: {match.group()}"


def size_complaints(files: Mapping[str, str]) -> Iterator[str]:
    """Python files that hold more than one idea, by their length."""
    for name, text in files.items():
        lines = len(text.splitlines())
        if name.endswith(".py") and lines > MOST_LINES:
            yield f"{name} has {lines} lines, more than {MOST_LINES}: split it"


def assertion_complaints(files: Mapping[str, str]) -> Iterator[str]:
    """Test functions that can't fail by what they find."""
    for name, text in files.items():
        for node in ast.walk(ast.parse(text, name)):
            if _is_test(node) and not any(map(_asserts, ast.walk(node))):
                yield f"{name} asserts nothing in {ast.unparse(node).splitlines()[0]}"


def _is_test(node: ast.AST) -> bool:
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, functions) and node.name.startswith("test")


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant)
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute):
        if isinstance(called.value, ast.Call) and ast.unparse(called.value.func) == "expect":
            return True  # playwright's
        owner = called.value.id if isinstance(called.value, ast.Name) else ""
        name = f"{owner}.{called.attr}"
    else:
        name = called.id if isinstance(called, ast.Name) else ""
    last = name.rpartition(".")[2]
    return name in ("pytest.raises", "pytest.warns", "pytest.fail") or last.startswith(
        ("check_", "assert_", "_check_", "_assert_")
    )


def sources(root: Path, folders: Iterable[str]) -> dict[str, str]:
    """The Python files of some folders, by their path from the root."""
    return {
        str(path.relative_to(root)): path.read_text()
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
    }


def tracked(root: Path) -> dict[str, str]:
    """The text files that git tracks, by their path from the root."""
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "-C", str(root), "ls-files", "-z"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    found = {}
    for name in names:
        path = root / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            found[name] = content.decode(errors="replace")
    return found


def test_folders_and_links() -> None:
    assert list(folder_complaints(ROOT)) == []


def test_pyproject_names_the_layout() -> None:
    assert list(config_complaints(tomllib.loads((ROOT / "pyproject.toml").read_text()))) == []


def test_tracked_files_name_no_machine_and_no_registry() -> None:
    files = tracked(ROOT)
    assert "pyproject.toml" in files
    assert list(text_complaints(files)) == []


def test_files_are_short() -> None:
    files = sources(ROOT, FOLDERS)
    assert "scaling/config.py" in files
    assert list(size_complaints(files)) == []


def test_every_test_asserts_something() -> None:
    files = sources(ROOT, ["tests"])
    assert "tests/test_layout.py" in files
    assert list(assertion_complaints(files)) == []


@pytest.mark.parametrize("name", LINKED)
@pytest.mark.parametrize("statement", ["import {}.base", "from {} import base"])
def test_ruff_refuses_the_folders_own_names(name: str, statement: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=TID251", "-"],
        input=statement.format(name) + "\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"import scaling.{name}" in done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout without files, about which nobody complains."""
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    for name in LINKED:
        (tmp_path / "scaling" / name).symlink_to(f"../{name}")
    assert list(folder_complaints(tmp_path)) == []
    return tmp_path


def test_complains_about_folders_and_links(tree: Path) -> None:
    (tree / "datasets" / "__init__.py").touch()
    (tree / "scaling" / "models").unlink()
    (tree / "scaling" / "models").write_text("../models")
    (tree / "scaling" / "sweeps").unlink()
    (tree / "scaling" / "sweeps").symlink_to(tree / "sweeps")
    (tree / "scaling" / "extra").symlink_to("../models")
    (tree / "tests").rmdir()
    complaints = "\n".join(folder_complaints(tree))
    for wanted in (
        "datasets/__init__.py makes",
        "scaling/models is not a symbolic link",
        f"scaling/sweeps leads to {tree}/sweeps",
        "scaling/extra is a link",
        "no folder tests",
    ):
        assert wanted in complaints


def test_complains_about_pyproject() -> None:
    lint = {
        "flake8-tidy-imports": {"banned-api": {"models": {}}},
        "isort": {"known-first-party": ["scaling", "models"]},
    }
    find = {"packages": {"find": {"include": ["scaling*", "models"]}}}
    complaints = list(config_complaints({"tool": {"ruff": {"lint": lint}, "setuptools": find}}))
    assert len(complaints) == 3


@pytest.mark.parametrize(
    "text",
    [
        "open('/" + "root/x')",
        "path: /" + "home/ann/data",
        "cd /" + "work/main",
        "--index-url https://download." + "pytorch.org/whl",
        "https://files.python" + "hosted.org/x",
        "see https://PyPI" + ".org/project/x",
    ],
)
def test_complains_about_machine_paths_and_registries(text: str) -> None:
    assert len(list(text_complaints({"a.md": f"fine\n{text}\n"}))) == 1
    assert (
        list(text_complaints({"a.md": "../shared/work/x, ~/work/, /tmp/ray, file:///data\n"})) == []
    )


def test_complains_about_long_files() -> None:
    text = "x = 1\n" * MOST_LINES
    assert list(size_complaints({"a.py": text, "a.csv": text + text})) == []
    assert len(list(size_complaints({"a.py": text + "y = 2\n"}))) == 1


@pytest.mark.parametrize("body", ["pass", "assert True", "result = run()", "unchecked.check()"])
def test_complains_about_tests_that_assert_nothing(body: str) -> None:
    assert len(list(assertion_complaints({"t.py": f"def test_x():\n    {body}\n"}))) == 1


@pytest.mark.parametrize(
    "body",
    [
        "assert x",
        "with pytest.raises(E): f()",
        "check_contract(x)",
        "np.testing.assert_equal(a, b)",
    ],
)
def test_accepts_tests_that_assert(body: str) -> None:
    assert list(assertion_complaints({"t.py": f"def test_x():\n    {body}\n"})) == []
