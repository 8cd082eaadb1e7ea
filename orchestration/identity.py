"""Data that a dataset's name stands for, kept in the registry."""

from __future__ import annotations

from feature_repo.datasets.identity import Identity
from feature_repo.errors import InputError
from orchestration.asset_values import Source
from serving.registry import Registry

IDENTITY, FOLDER = "gatehouse.identity", "gatehouse.data"
"""Tags of the dataset's model: samples of the data, and the folder it came from."""


def check_identity(registry: Registry, source: Source) -> None:
    """Refuse data of another dataset than this name's versions learned from.

    Args:
        registry: registry of the dataset.
        source: the run's data.

    Raises:
        InputError: the data shares nothing with the former; the message says what to do.
    """
    tags = registry.model_tags()
    if IDENTITY not in tags:
        return
    former, folder = Identity.from_text(tags[IDENTITY]), tags.get(FOLDER, "")
    difference = Identity.from_text(source.identity).difference(former, same_folder=folder == (source.data or ""))
    if difference:
        raise InputError(
            f"the dataset {source.dataset!r} of this registry is other data{f', from {folder}' if folder else ''}:"
            f" {difference}. Its champion is no measure for {source.data or 'this data'}: give the data another name"
            " (`dataset` in its gatehouse.yaml) or another GATEHOUSE_HOME; if it is the same dataset with new ids or"
            " times, say so by --same-dataset"
        )


def keep_identity(registry: Registry, source: Source) -> None:
    """Bind the dataset's name to the data of a run that has a version."""
    registry.set_model_tags({IDENTITY: source.identity, FOLDER: source.data or ""})
