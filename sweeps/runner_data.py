"""Data on the nodes of a cluster: put at a shared place by the driver, copied once per node."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scaling.datasets.logged import LoggedConfig
from scaling.datasets.shipping import obtain, publish
from scaling.trial import TrialConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shipped:
    """Where a node that lacks a trial's data gets them."""

    place: str
    content: str
    """Of the prepared log (`LoggedConfig.content`): the node may lack the files that it is of."""

    def to_dict(self) -> dict[str, Any]:
        return vars(self)


def shipped(trials: Iterable[TrialConfig], place: str) -> dict[LoggedConfig, Shipped]:
    """Prepare the trials' logged data and put them at the place, as far as they aren't there.

    Raises:
        ValueError: data that can't be prepared, or a place that can't be written.
    """
    found = {}
    for config in {trial.dataset: None for trial in trials}:
        if isinstance(config, LoggedConfig):
            if publish(config.prepare(), place) and not config.redistribution:
                text = "%s is now at %s: keep that place to yourselves, its terms are: %s"
                logger.warning(text, config.name, place, config.licence)
            found[config] = Shipped(place, config.known_content())
    return found


def make_ready(config: object, data: Shipped) -> None:
    """On a node, before a trial: its data are in the cache, and known by their content.

    Raises:
        ValueError: they can't be copied.
    """
    assert isinstance(config, LoggedConfig)
    config.told(data.content)
    obtain(config.prepared_path(), data.place)
