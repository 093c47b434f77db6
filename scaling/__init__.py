"""Climber: which recommendation architecture turns compute into quality best?

The code lives in the top-level folders `models`, `datasets`, `sweeps`, `analysis` and
`dashboards`; links in this folder make them importable under the one root `scaling`.
"""

from pathlib import Path as _Path

__version__ = "0.1.0"

_LINKED = ("models", "datasets", "sweeps", "analysis", "dashboards")
_missing = [name for name in _LINKED if not (_Path(__file__).parent / name).is_dir()]
if _missing:
    raise ImportError(
        f"scaling/{_missing[0]} is not a folder: this copy lost its symbolic links (a zip download, "
        "or Windows without links). Cure: clone with `git clone -c core.symlinks=true`, or install "
        "the package with `pip install .` from such a clone."
    )
