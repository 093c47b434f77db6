"""What users install: wheel and sdist, name clashes, and copies that lost their links.

Nothing is downloaded: builds use the installed setuptools, and a fresh virtual environment sees
the dependencies through a .pth file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINKED = ("models", "datasets", "sweeps", "analysis", "dashboards")
RUBBISH = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")

pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path, fails: bool = False) -> str:
    """Both outputs of a command that is expected to succeed or to fail."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def copy_checkout(target: Path) -> Path:
    """The checkout's own files in a folder where building may leave things."""
    target.mkdir()
    for name in ("scaling", *LINKED):
        shutil.copytree(ROOT / name, target / name, symlinks=True, ignore=RUBBISH)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target / name)
    return target


def build_wheel(source: Path, target: Path) -> Path:
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--no-index", "--wheel-dir", target, source),
        cwd=target.parent,
    )
    (wheel,) = target.glob("climber_scaling-*.whl")
    return wheel


def contents(wheel: Path) -> dict[str, int]:
    """Names and checksums of what a wheel installs as the package."""
    with zipfile.ZipFile(wheel) as archive:
        return {i.filename: i.CRC for i in archive.infolist() if ".dist-info/" not in i.filename}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packaging")


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    return build_wheel(copy_checkout(folder / "checkout"), folder / "wheel")


@pytest.fixture(scope="module")
def sdist(folder: Path) -> Path:
    source = copy_checkout(folder / "checkout-sdist")
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, folder / "sdist", cwd=source)
    (archive,) = (folder / "sdist").glob("climber_scaling-*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def installed(folder: Path, wheel: Path) -> Path:
    """The interpreter of a new environment with the wheel and a foreign package `datasets`."""
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet"),
        *("--no-deps", "--no-index", wheel),
        cwd=folder,
    )
    site = site_packages(python)
    # A folder on a .pth file's path is not searched for .pth files itself, so the editable
    # installation of the checkout stays out of the new environment.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (site / "datasets").mkdir()
    (site / "datasets" / "__init__.py").write_text("OWNER = 'somebody else'\n")
    return python


def site_packages(python: Path) -> Path:
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(run(python, "-c", where, cwd=python.parent).strip())


def test_wheel_holds_every_file_once(wheel: Path) -> None:
    ours = {
        f"scaling/{path.relative_to(ROOT / 'scaling')}"
        for path in (ROOT / "scaling").rglob("*.*")
        if path.is_file() and path.parent.name != "__pycache__"
    } | {
        f"scaling/{path.relative_to(ROOT)}"
        for name in LINKED
        for path in (ROOT / name).rglob("*.*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert "scaling/py.typed" in ours
    assert set(contents(wheel)) == ours
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    assert [name for name in names if name.endswith(".dist-info/entry_points.txt")]


def test_sdist_builds_the_same_wheel(folder: Path, sdist: Path, wheel: Path) -> None:
    assert contents(build_wheel(sdist, folder / "wheel-of-sdist")) == contents(wheel)


def test_installed_package_is_imported_from_site_packages(folder: Path, installed: Path) -> None:
    ask = "import scaling.models.base as m, scaling.datasets.base; print(m.__file__)"
    found = Path(run(installed, "-c", ask, cwd=folder).strip())
    assert found == site_packages(installed) / "scaling" / "models" / "base.py"
    assert not found.parent.is_symlink()


def test_type_checkers_see_the_types(folder: Path, installed: Path) -> None:
    (folder / "user.py").write_text(
        "from scaling.registry import Registry\nreveal_type(Registry[int]('kind', 'x').names())\n"
    )
    mypy = (sys.executable, "-m", "mypy", "--python-executable", installed)
    assert '"list[str]"' in run(*mypy, "--cache-dir", folder / "mypy", "user.py", cwd=folder)


WHOSE = "import scaling.datasets.base, datasets; print(getattr(datasets, 'OWNER', 'shadowed'))"


def test_foreign_datasets_is_not_shadowed(folder: Path, installed: Path) -> None:
    assert run(installed, "-c", WHOSE, cwd=folder) == "somebody else\n"


def test_foreign_datasets_is_not_shadowed_in_a_checkout(folder: Path, installed: Path) -> None:
    """Ray puts the driver's working directory first on the workers' path; `python -c` does too."""
    checkout = folder / "checkout"
    assert run(installed, "-c", WHOSE, cwd=checkout) == "somebody else\n"
    broken = copy_checkout(folder / "with-init")
    (broken / "datasets" / "__init__.py").touch()
    assert run(installed, "-c", WHOSE, cwd=broken) == "shadowed\n"


def test_lost_links_are_explained_in_one_line(tmp_path: Path) -> None:
    """A zip download, or git without links, leaves text files in the links' places."""
    source = copy_checkout(tmp_path / "download")
    run(sys.executable, "-c", "import scaling", cwd=source)
    for name in LINKED:
        (source / "scaling" / name).unlink()
        (source / "scaling" / name).write_text(f"../{name}")
    last = run(sys.executable, "-c", "import scaling", cwd=source, fails=True).splitlines()[-1]
    assert last.startswith("ImportError: scaling/models is not a folder")
    assert "git clone -c core.symlinks=true" in last
