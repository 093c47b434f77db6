"""The code's digest: the same for the same code, another for code that decides otherwise."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

from scaling import code
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.transformer import TransformerConfig
from scaling.trial import TrainingConfig, TrialConfig

ROOT = Path(__file__).parents[2]

ASK = """
from scaling.code import code_digest
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.trial import TrainingConfig, TrialConfig
print(code_digest(TrialConfig(
    model=TransformerConfig(depth=1, width=16, seq_len=8), dataset=SyntheticConfig.tiny(),
    training=TrainingConfig(batch_size=8, lr=1e-3, embedding_lr=0.05, lr_rule="given"),
    budget=1e6, seed=0)))
"""


def trial_of(model: TransformerConfig | AstroConfig) -> TrialConfig:
    return TrialConfig(
        model=model,
        dataset=SyntheticConfig.tiny(),
        training=TrainingConfig(batch_size=8, lr=1e-3, embedding_lr=0.05, lr_rule="given"),
        budget=1e6,
        seed=0,
    )


def test_reaches_what_decides_the_outcome_and_no_more() -> None:
    found = code._closure("scaling.training", "scaling.models.transformer")
    wanted = {"training", "optim", "evaluation", "metrics", "models.stack", "models.attention"}
    assert {f"scaling.{name}" for name in wanted} <= set(found)
    assert "scaling.models.astro" not in found
    assert not [name for name in found if name.startswith(("scaling.tracking", "scaling.cli"))]


def test_depends_on_the_architecture() -> None:
    baseline = trial_of(TransformerConfig(depth=1, width=16, seq_len=8))
    other = trial_of(AstroConfig(depth=1, width=16, seq_len=8, strategies=("recent", "like")))
    wider = trial_of(TransformerConfig(depth=1, width=32, seq_len=8))
    assert code.code_digest(baseline) == code.code_digest(wider) != code.code_digest(other)


def test_comments_docstrings_and_layout_do_not_count(tmp_path: Path) -> None:
    plain, dressed, other = (tmp_path / f"{n}.py" for n in ("plain", "dressed", "other"))
    plain.write_text("def f(x):\n    return x + 1\n")
    dressed.write_text(
        '"""Why."""\n\n\ndef f(\n    x,  # a number\n):\n    "Adds."\n    return x+1\n'
    )
    other.write_text("def f(x):\n    return x + 2\n")
    assert code._normal_form(plain) == code._normal_form(dressed) != code._normal_form(other)


def test_a_changed_line_of_training_changes_it(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    shutil.copytree(
        ROOT,
        copy,
        symlinks=True,
        ignore=lambda folder, names: [n for n in names if n.startswith(".") or n == "tests"],
    )

    def ask() -> str:
        done = subprocess.run(
            [sys.executable, "-c", ASK], cwd=copy, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    before = ask()
    training = copy / "scaling" / "training.py"
    text = training.read_text()
    training.write_text("# A remark.\n" + text)
    (copy / "models" / "newcomer.py").write_text("x = 1\n")
    assert ask() == before
    training.write_text(text.replace("CURVE_POINTS = 24", "CURVE_POINTS = 25"))
    assert ast.parse(training.read_text())
    assert ask() != before


def test_the_commit_is_this_checkouts() -> None:
    commit = code.git_commit()
    head = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    assert (commit or "").removesuffix("-dirty") == head
