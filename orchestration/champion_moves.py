"""Promotion and rollback on purpose: the online features of the target are brought up to date first.

A run loads the features of every kept version. Those of the target are old only where it could not: its data lacked
what the version's schema needs, or the version could not be read. The load comes before the lock and before the move,
so that a champion waits for no computation, and a load that is killed has changed no champion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from feature_repo.datasets.canonical import Tables
from feature_repo.errors import InputError
from feature_repo.events.base import Base, read_base
from feature_repo.events.forgotten import forgotten_since, without_users
from feature_repo.events.log import EventLogError
from feature_repo.schema import USER_ID, Entity, Schema
from feature_repo.store.serving_state import seen_schema
from serving.registry.sqlite import open_registry
from serving.release.freshness import (
    FeatureRule,
    FeaturesBehindError,
    age_of,
    check_fresh,
    check_loaded,
    check_up_to_date,
)
from serving.release.manifest import Manifest
from serving.release.promotion import promote, rollback
from serving.settings import Settings

Tell = Callable[[str], None]


def promote_on_purpose(
    settings: Settings,
    dataset: str,
    version: int,
    *,
    override_reason: str | None = None,
    old_features: bool = False,
    tell: Tell,
) -> Manifest:
    """Make a version the champion, with features as of the newest data.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        version: number of the version.
        override_reason: reason to promote a version that did not pass.
        old_features: whether to move at once, however old its features are.
        tell: told what is loaded, and what could not be.

    Raises:
        ReleaseError: as of `promote`. The champion is untouched.
    """

    def move(features: FeatureRule) -> Manifest:
        return promote(settings, dataset, version, override_reason=override_reason, features=features)

    return _moved(settings, move, old_features, tell)


def roll_back(settings: Settings, dataset: str, *, old_features: bool = False, tell: Tell) -> Manifest:
    """Go back to the last version that served well, with features as of the newest data.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        old_features: whether to move at once, however old its features are.
        tell: told what is loaded, what could not be, and which versions are skipped.

    Raises:
        ReleaseError: as of `rollback`. The champion is untouched.
    """
    # A night may promote another one during the load: that one is not gone back from.
    champion = open_registry(settings, dataset).champion()

    def move(features: FeatureRule) -> Manifest:
        return rollback(settings, dataset, serves=champion, warn=tell, features=features)

    return _moved(settings, move, old_features, tell)


def _moved(settings: Settings, move: Callable[[FeatureRule], Manifest], old_features: bool, tell: Tell) -> Manifest:
    """Move, and load the features of whatever version the move asks for.

    Args:
        settings: the home and its services.
        move: moves the champion to a version whose features a rule allows.
        old_features: whether any age is allowed.
        tell: told what is loaded, and what could not be.
    """
    tried: set[int] = set()

    def as_new_as_can_be(settings: Settings, manifest: Manifest, schema: Schema) -> None:
        """After its load a version may still be behind, as far as any may."""
        (check_fresh if manifest.version in tried else check_up_to_date)(settings, manifest, schema)

    def as_they_are(settings: Settings, manifest: Manifest, schema: Schema) -> None:
        check_loaded(settings, manifest, schema)
        if age := age_of(settings, schema):
            tell(
                f"version {manifest.version} answers with old features: {age}. It does not know what users did in"
                " between, until `gatehouse run` loads that"
            )

    if old_features:
        return move(as_they_are)
    while True:  # each time for another version
        try:
            return move(as_new_as_can_be)
        except FeaturesBehindError as behind:
            tried.add(behind.version)
            _load(settings, behind.dataset, behind.version, tell)


def _load(settings: Settings, dataset: str, version: int, tell: Tell) -> None:
    """Load the online features of a version from the newest data that were loaded, if they can be computed from them.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        version: number of the version.
        tell: told what is loaded, and why it cannot be.
    """
    # A move that loads nothing does without Dagster and Feast, whose imports take seconds.
    from orchestration.latest_features import store_of

    try:
        schema = Schema.from_json(open_registry(settings, dataset).read_file(version, "schema.json"))
        base = read_base(settings.feast_home, dataset)
        tell(f"the online features of version {version} are loaded first, as of {base.as_of}")
        parts = _computed(settings, schema, base)
        for each, computed in parts:
            store = store_of(settings, each)
            store.apply(computed, (Entity.USER,))
            store.load_online(Entity.USER, base.as_of)
    except (InputError, LookupError, OSError, ValueError, EventLogError) as error:
        tell(f"the online features of version {version} stay as they are: {error}")


def _computed(settings: Settings, schema: Schema, base: Base) -> list[tuple[Schema, Path]]:
    """Compute user features of the newest data, unless they are there.

    Args:
        settings: the home.
        schema: feature schema of the version.
        base: the data.

    Returns:
        Schemas of what is loaded, in this order, with the folders of their tables.
    """
    from feature_repo.tables.other_schema import under_schema
    from orchestration.latest_features import compute_latest, compute_seen

    here = replace(settings, data=None)  # all that this takes is on this machine: it waits for no bucket
    gone = _forgotten(settings, schema.dataset, base.tables)
    tables = without_users(under_schema(base.tables, schema), gone)
    # A run has left those of all users under the plain name.
    end = "_without_" + hashlib.sha256("\n".join(gone).encode()).hexdigest()[:12] if gone else ""
    latest, seen = (base.folder.parent / f"online_{name}{end}" for name in (schema.digest, "seen"))
    compute_latest(here, tables, base.as_of, latest)
    if schema.seen_items_may_return:
        return [(schema, latest)]
    compute_seen(here, tables.events, tables.users[USER_ID], base.as_of, seen)
    # Before the histories: an item that a user has just seen must not return meanwhile.
    return [(seen_schema(schema.dataset), seen), (schema, latest)]


def _forgotten(settings: Settings, dataset: str, tables: Tables) -> list[str]:
    """Users who were forgotten since a run made tables. EventLogError if the log cannot be read."""
    if not settings.has_event_log(dataset):
        return []
    with closing(settings.open_event_log(dataset)) as log:
        return forgotten_since(tables, log)
