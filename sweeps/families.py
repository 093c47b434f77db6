"""Architectures by name, and their models along the axes, for sweeps that compare several."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from scaling.models.base import MODELS, ModelConfig
from scaling.models.reference import ReferenceConfig
from scaling.sweeps.design import rungs, variants


def family(
    architecture: str,
    *,
    strategies: Sequence[str],
    depths: Sequence[int],
    widths: Sequence[int],
    seq_lens: Sequence[int],
    blocks: Sequence[int] = (1,),
    head_dim: int = 16,
    rung_by_rung: bool = False,
) -> list[ModelConfig]:
    """The models of one architecture at every combination of axis values, narrow before wide.

    A reference (`popularity`, `markov`) has no axes and is one model.

    Args:
        architecture: a registered model.
        strategies: what the blocks read, in order of importance, for architectures with several
            blocks; the others have no `blocks` axis and ignore both.
        depths: layers.
        widths: of the tokens.
        seq_lens: sums of the views' lengths.
        blocks: numbers of blocks.
        head_dim: width of a head, for architectures with attention heads.
        rung_by_rung: no combinations: the axes' values in step, as `rungs` says.

    Raises:
        ValueError: an unknown architecture, or a combination that it refuses.
    """
    kind = MODELS.get(architecture)
    if issubclass(kind, ReferenceConfig):
        return [kind()]
    axes = {"width": widths, "depth": depths, "seq_len": seq_lens}
    names = {field.name for field in dataclasses.fields(kind)}
    own: dict[str, Any] = {}
    if "strategies" in names:
        if not blocks or max(blocks) > len(strategies):
            raise ValueError(
                f"{architecture}: blocks must be 1 to {len(strategies)} (strategies "
                f"{', '.join(strategies)}), got {', '.join(map(str, blocks)) or 'none'}"
            )
        own["strategies"] = tuple(strategies)
        axes["blocks"] = blocks
    if "head_dim" in names:
        own["head_dim"] = head_dim
    try:
        template = kind(depth=1, width=head_dim, seq_len=16 * len(strategies), **own)
    except TypeError as error:
        raise ValueError(f"{architecture} can't be made from the axes alone: {error}") from error
    return (rungs if rung_by_rung else variants)(template, **axes)


def ladders_of(architectures: Sequence[str], **axes: Any) -> list[list[ModelConfig]]:
    """The models of several architectures, a list for each; `axes` as for `family`."""
    return [family(name, **axes) for name in architectures]


def families(architectures: Sequence[str], **axes: Any) -> list[ModelConfig]:
    """The models of several architectures, one after the other; `axes` as for `family`."""
    return list(itertools.chain.from_iterable(ladders_of(architectures, **axes)))
