"""The tables of `climber bench turbo`: what one history for many items saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaling.cli.bench_training import warn_if_shared
from scaling.cli.output import print_table

if TYPE_CHECKING:
    from scaling.models.base import ModelConfig

REPETITIONS = 5


@dataclass(frozen=True)
class Shapes:
    """What the command was asked for."""

    architectures: list[str]
    depths: list[int]
    blocks: list[int]
    width: int
    length: int

    def models(self) -> list[ModelConfig]:
        """Every architecture at every depth; those with blocks once per number of blocks."""
        from scaling.sweeps.benchmark import model_of

        found: list[ModelConfig] = []
        for name in self.architectures:
            for blocks in self.blocks:
                for depth in self.depths:
                    model = model_of(
                        name, depth=depth, width=self.width, seq_len=self.length, blocks=blocks
                    )
                    if model not in found:
                        found.append(model)
        return found


def training(shapes: Shapes, items: list[int], seconds: float) -> dict[str, Any]:
    """Examples/s of training by items per record."""
    from scaling.sweeps.benchmark_records import measure_all

    rows = measure_all(shapes.models(), items, seconds, REPETITIONS)
    print_table(
        f"training, width {shapes.width}, {shapes.length} events, one thread; steps of equal tokens",
        ("architecture", "blocks", "layers", "items", "examples/s", "single", "ratio", "best",
         "own line", "ratio/line", "best/line", "m/(1+m/n)", "ms/step", "single", "busy"),
        [
            (
                row["architecture"],
                row["blocks"],
                row["depth"],
                row["items"],
                f"{row['examples_per_second']:,.0f}",
                f"{row['examples_per_second_single']:,.0f}",
                f"{row['ratio']:.2f}x",
                f"{row['best_ratio']:.2f}x",
                f"{row['line']:.2f}",
                f"{row['of_line']:.0%}",
                f"{row['best_of_line']:.0%}",
                f"{row['line_paper']:.2f}",
                f"{1e3 * row['step_seconds']:.0f}",
                f"{1e3 * row['step_seconds_single']:.0f}",
                f"{row['busy']:.0%}",
            )
            for row in rows
        ],
    )  # fmt: skip
    warn_if_shared(rows)
    return {"training": rows}
