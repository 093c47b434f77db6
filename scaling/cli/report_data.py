"""The data sets of a sweep, for its report: those that can be read here, and why others can't."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaling.cli.declared import title_of
from scaling.cli.truth import CURE

if TYPE_CHECKING:
    from scaling.dashboards.data_section import DataShown
    from scaling.datasets.base import DatasetConfig


def sweep_data(sweep: str | None, tracking_uri: str | None) -> list[DataShown]:
    """One of each name, with the options of the first trial that reads it.

    Args:
        sweep: as on the command line; None: the runs come from a table, which says nothing of
            where the data are.
    """
    from scaling.dashboards.data_section import DataShown

    if sweep is None:
        return [DataShown("Not shown", note="A run table doesn't say where its data are.")]
    from scaling.datasets.base import DatasetConfig
    from scaling.tracking_read import read_spec

    configs: dict[str, list[DatasetConfig]] = {}
    for trial in read_spec(title_of(sweep), tracking_uri=tracking_uri)["trials"]:
        # The data alone: a model may be in a file that wasn't named.
        try:
            config = DatasetConfig.from_dict(trial["dataset"])
        except ValueError as error:
            return [DataShown("Not shown", note=f"{error}. Cure: name the sweep as {CURE}.")]
        known = configs.setdefault(config.name, [])
        if config not in known:
            known.append(config)
    return [shown(name, known) for name, known in configs.items()]


def shown(name: str, configs: list[DatasetConfig]) -> DataShown:
    """The first of the configurations of one data set, or why it is left out."""
    from scaling.dashboards.data_section import DataShown
    from scaling.datasets.catalogue import licence
    from scaling.running import opened

    config = configs[0]
    try:
        if complaint := _unprepared(config):
            return DataShown(name, note=f"Left out: {complaint}.")
        portrait = opened(config).portrait()
        fingerprint = config.fingerprint()
    except (OSError, ValueError) as error:
        return DataShown(name, note=f"Left out: the data can't be read here ({error}).")
    if portrait is None:
        return DataShown(name, note="Left out: the data set has no log to count.")
    facts = {"licence": licence(config) or "generated, none", "fingerprint": fingerprint}
    note = ""
    if len(configs) > 1:
        note = (
            f"The sweep reads it with {len(configs)} sets of options; shown is the first, with the "
            "fingerprint below."
        )
    return DataShown(name, portrait, note, facts)


def _unprepared(config: DatasetConfig) -> str:
    """Why a report had better not open the data; empty where it can. A report prepares nothing,
    which may take hours."""
    from scaling.datasets.logged import LoggedConfig
    from scaling.datasets.store import is_stored

    if not isinstance(config, LoggedConfig) or is_stored(config.prepared_path()):
        return ""
    return f"the data are not prepared here (climber data prepare {config.name})"
