"""All figures of an analysis, with what only the command line can read for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scaling.cli.source import Source

if TYPE_CHECKING:
    import pandas as pd

    from scaling.analysis.figure import Skipped
    from scaling.analysis.figures import Drawing
    from scaling.analysis.findings import Analysis
    from scaling.analysis.mapper import Mapper
    from scaling.analysis.temperatures import HeatPanel
    from scaling.analysis.trust import Trust


def drawn(
    source: Source, analysis: Analysis, trust: Callable[[], Trust], mapper: Mapper
) -> tuple[list[Drawing], list[Skipped]]:
    """`scaling.analysis.figures.figures` with the logged learning curves and the paper's shapes."""
    from scaling.analysis.figures import figures

    return figures(
        analysis, trust=trust, curves=_curves(source, analysis), shapes=paper_shapes, mapper=mapper
    )


def _curves(source: Source, analysis: Analysis) -> pd.DataFrame | None:
    """Learning curves of some of the runs; a table alone has none."""
    if source.sweep is None:
        return None
    from scaling.analysis.curve_figure import chosen
    from scaling.tracking_curves import read_curves  # a table alone has no need of MLflow

    return read_curves(chosen(analysis), tracking_uri=source.tracking_uri)


def paper_shapes() -> list[HeatPanel]:
    """The shapes that the Climber paper calls equal in FLOPs, with our count of those."""
    import numpy as np

    from scaling.analysis.temperatures import HeatPanel
    from scaling.sweeps.paper_points import EQUAL_FLOPS, nominal_flops
    from scaling.units import format_si

    panels = []
    for group, shapes in EQUAL_FLOPS.items():
        layers = sorted({shape.layers for shape in shapes})
        lengths = sorted({shape.length for shape in shapes})
        best = 1 - max(shapes.values())
        values = np.full((len(layers), len(lengths)), np.nan)
        texts = [[""] * len(lengths) for _ in layers]
        for shape, auc in shapes.items():
            place = layers.index(shape.layers), lengths.index(shape.length)
            values[place] = (1 - auc) / best
            ratio = nominal_flops(shape) / group
            texts[place[0]][place[1]] = f"{auc:.4f} ({ratio:.2f}\N{MULTIPLICATION SIGN})"
        panels.append(
            HeatPanel(
                f"the paper's shapes at {format_si(group, 'FLOP', 3)} a request",
                tuple(map(str, layers)), tuple(map(str, lengths)), values,
                tuple(map(tuple, texts)),
            )
        )  # fmt: skip
    return panels
