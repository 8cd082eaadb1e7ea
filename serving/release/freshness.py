"""Age of a version's online features, beside the newest of its dataset.

A run loads the features of every kept version. They fall behind where its data lacks what the version's schema needs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from feature_repo.schema import Entity, Schema
from feature_repo.store.serving_state import withdrawn_schema
from feature_repo.store.sqlite_online import features_as_of
from serving.release.manifest import Manifest, ReleaseError
from serving.settings import Settings


def loaded_for(settings: Settings, schema: Schema) -> datetime | None:
    """Return the moment that the user features of a schema stand for; None before a load."""
    return features_as_of(schema, settings.feast_home, online=settings.online_store, registry=settings.feature_registry)


def newest_load(settings: Settings, dataset: str) -> datetime | None:
    """Return the moment of a dataset's newest load; None before the first."""
    # Every run loads the withdrawn items, whatever its schema.
    schema = withdrawn_schema(dataset)
    return features_as_of(
        schema,
        settings.feast_home,
        online=settings.online_store,
        registry=settings.feature_registry,
        entity=Entity.ITEM,
    )


def check_fresh(settings: Settings, manifest: Manifest, schema: Schema) -> None:
    """Refuse a version whose online features are far older than the newest ones.

    Not by the clock: where no newer data has come, no features are newer.

    Args:
        settings: the home, the online store and the limit.
        manifest: manifest of the version.
        schema: its feature schema.

    Raises:
        ReleaseError: they are; the message says what to do.
    """
    newest = newest_load(settings, manifest.dataset)
    if newest is None:
        return  # no run of this home has loaded features: nothing is older than another
    found = loaded_for(settings, schema)
    limit = timedelta(days=settings.features_behind_days)
    if found is not None and newest - found <= limit:
        return
    state = "were never loaded" if found is None else f"stand for {found}, the newest of the dataset for {newest}"
    raise ReleaseError(
        f"{manifest.dataset} version {manifest.version} would serve old features: its online features {state}, and"
        f" {settings.features_behind_days:g} days are allowed (GATEHOUSE_FEATURES_BEHIND_DAYS). `gatehouse run` loads"
        " the features of every kept version, or says what its data lacks for them"
    )
