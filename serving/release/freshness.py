"""Age of a version's online features, beside the newest of its dataset.

A run loads the features of every kept version. They fall behind where its data lacks what the version's schema needs,
or where the version could not be read.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from feature_repo.errors import OnlineStoreError
from feature_repo.schema import Entity, Schema
from feature_repo.store.online_server import address, servers
from feature_repo.store.serving_state import seen_schema, withdrawn_schema
from feature_repo.store.sqlite_online import features_as_of
from serving.probe import listens
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


FeatureRule = Callable[[Settings, Manifest, Schema], None]
"""How old the online features of a version may be: raises ReleaseError if they are older."""


class FeaturesBehindError(ReleaseError):
    """The home may have newer data than the online features of a version."""

    def __init__(self, manifest: Manifest, age: str) -> None:
        self.dataset, self.version = manifest.dataset, manifest.version
        super().__init__(
            f"{self.dataset} version {self.version} has old features: {age}. In a terminal, `gatehouse rollback` and"
            " `gatehouse promote` load them first, or move at once with `--old-features`"
        )


def check_answers(settings: Settings) -> None:
    """Raise OnlineStoreError where the server of the online store does not answer: Feast notes loads elsewhere."""
    online = settings.online_store
    if online and (found := servers(online)) and not any(map(listens, found)):
        raise OnlineStoreError(
            f"{address(online)} does not answer: start it, or name another one (GATEHOUSE_ONLINE_STORE)"
        )


def needed_schemas(schema: Schema) -> tuple[Schema, ...]:
    """Schemas of all user features that a version answers with: its own, and that of the seen items."""
    return (schema,) if schema.seen_items_may_return else (schema, seen_schema(schema.dataset))


def age_of(settings: Settings, schema: Schema) -> str | None:
    """Say how old the features of a version are; None where they are as new as any of the dataset.

    Args:
        settings: the home and the online store.
        schema: feature schema of the version.
    """
    newest = newest_load(settings, schema.dataset)
    moments = [loaded_for(settings, each) for each in needed_schemas(schema)]
    if newest is None or all(each and each >= newest for each in moments):
        return None  # before the first load nothing is older than another
    oldest = None if None in moments else min(each for each in moments if each)
    state = f"stand for {oldest}, the newest of the dataset for {newest}" if oldest else "were never loaded"
    return f"its online features {state}"


def check_up_to_date(settings: Settings, manifest: Manifest, schema: Schema) -> None:
    """Refuse a version whose online features could be newer.

    Args:
        settings: the home and the online store.
        manifest: manifest of the version.
        schema: its feature schema.

    Raises:
        FeaturesBehindError: they could; the message says what to do.
        OnlineStoreError: the online store does not answer.
    """
    check_answers(settings)
    if age := age_of(settings, schema):
        raise FeaturesBehindError(manifest, age)


def check_loaded(settings: Settings, manifest: Manifest, schema: Schema) -> None:
    """Refuse a version whose online features were never loaded; any age will do.

    Args:
        settings: the home and the online store.
        manifest: manifest of the version.
        schema: its feature schema.

    Raises:
        ReleaseError: no service could read them.
        OnlineStoreError: the online store does not answer.
    """
    check_answers(settings)
    lacks = any(loaded_for(settings, each) is None for each in needed_schemas(schema))
    if lacks and newest_load(settings, manifest.dataset):
        raise ReleaseError(
            f"{manifest.dataset} version {manifest.version} could not answer: its online features were never loaded."
            " `gatehouse run` loads the features of every kept version, or says what its data lacks for them"
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
    moments = [loaded_for(settings, each) for each in needed_schemas(schema)]
    found = None if None in moments else min(each for each in moments if each)
    limit = timedelta(days=settings.features_behind_days)
    if found is not None and newest - found <= limit:
        return
    state = "were never loaded" if found is None else f"stand for {found}, the newest of the dataset for {newest}"
    raise ReleaseError(
        f"{manifest.dataset} version {manifest.version} would serve old features: its online features {state}, and"
        f" {settings.features_behind_days:g} days are allowed (GATEHOUSE_FEATURES_BEHIND_DAYS). `gatehouse run` loads"
        " the features of every kept version, or says what its data lacks for them"
    )
