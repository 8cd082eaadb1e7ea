"""The champion beside the version that is evaluated, on frames of its own schema.

A column of the same name may hold other values under another schema: those of another half-life, or a longer history.
On them the champion would lose for no fault of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.errors import InputError
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID, Entity, Schema
from feature_repo.tables.build import LogSpan
from feature_repo.tables.join import join_as_of
from feature_repo.tables.other_schema import under_schema
from feature_repo.tables.parts import feature_parts, latest_parts
from orchestration.served_search import served_search
from serving.pt2 import UnsafeArchiveError
from serving.registry import Registry
from serving.release.history import last_champion
from serving.release.judged_twin import judged_twin
from serving.release.load import Release, check_may_serve
from serving.release.manifest import ReleaseError, read
from serving.settings import Settings
from training.retrieval.exact import MakeSearch

LOST = "`gatehouse doctor` names what is broken, and `gatehouse rollback` restores the version that served before"
LACKING = (
    "bring back what its features are computed from, or let the new version serve without a comparison: `gatehouse "
    "promote {version} --override REASON`"
)
"""Ways out where the champion cannot be loaded, and where its features cannot be computed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Champion:
    """The champion of an evaluation."""

    version: int | None = None
    """Its number; None without a champion, or if it is the evaluated version or its refit."""
    judged: int | None = None
    """Number of what is measured: of a refit its judged twin."""
    release: Release | None = None
    """What is measured: the champion, or of a refit its judged twin; None if it cannot be loaded."""
    note: str | None = None
    """Reason why it cannot be measured, and what to do, if so."""
    asked: pl.DataFrame | None = None
    """Features of the users by its own schema."""
    corpus: pl.DataFrame | None = None
    """Features of the items by its own schema."""

    @property
    def cut(self) -> datetime | None:
        """End of its training data; None if it cannot be loaded."""
        return self.release.manifest.cut if self.release else None

    def search(self) -> MakeSearch | None:
        """Search by its scores; None if there is nothing to measure."""
        if self.release is None or self.asked is None or self.corpus is None:
            return None
        embedded = self.release.embed_users(self.asked), self.corpus[ITEM_ID], self.release.embed_items(self.corpus)
        return served_search(self.release.towers, self.asked, *embedded)


def load_champion(
    settings: Settings, dataset: str, version: int, tables: Tables, asked: pl.DataFrame, corpus: pl.DataFrame
) -> Champion:
    """Load the champion, with a note if it cannot be measured.

    Args:
        settings: home and services.
        dataset: name of the dataset.
        version: the version that is evaluated.
        tables: canonical tables of its source.
        asked: features of the users by its schema.
        corpus: features of the items by its schema.
    """
    registry = Registry(settings, dataset)
    number = last_champion(registry)  # else a challenger would pass by the deletion of an alias
    # A refit has seen what this version is judged on. Its twin has not, and passed without it.
    measured = None if number is None else judged_twin(registry, number)
    if number is None or version in (number, measured):
        return Champion()
    try:
        check_may_serve(registry, read(registry, number))
        release = Release.load(settings, dataset, measured)
    except (ReleaseError, UnsafeArchiveError, LookupError, OSError) as error:
        return Champion(version=number, judged=measured, note=f"champion {number} cannot be measured: {error}; {LOST}")
    try:
        frames = own_frames(release.schema, tables, asked, corpus)
    except InputError as error:
        note = f"champion {number} cannot be measured: {error}; {LACKING.format(version=version)}"
        return Champion(version=number, judged=measured, release=release, note=note)
    return Champion(version=number, judged=measured, release=release, asked=frames[0], corpus=frames[1])


def own_frames(
    schema: Schema, tables: Tables, asked: pl.DataFrame, corpus: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compute the features of the same users and items at the same times by another schema.

    Args:
        schema: schema of a release.
        tables: canonical tables.
        asked: users with features by the schema of `tables`, all at one time.
        corpus: items likewise.

    Raises:
        InputError: the data lacks what the schema computes its features from, or its features are of another version.
    """
    if schema.digest == tables.schema.digest:
        return asked, corpus
    own = under_schema(tables, schema, tuple(Entity))
    theirs = {name: getattr(own, name).join(asked, on=USER_ID, how="semi") for name in ("users", "events")}
    moment: datetime = asked[ENTITY_TIME][0]
    users = list(latest_parts(replace(own, **theirs), moment, log=LogSpan.of(own.events)))
    items = list(feature_parts(own, Entity.ITEM, (moment,)))
    return _joined(asked, users, Entity.USER), _joined(corpus, items, Entity.ITEM)


def _joined(frame: pl.DataFrame, parts: list[dict[str, pl.DataFrame]], entity: Entity) -> pl.DataFrame:
    tables = {name: pl.concat(part[name] for part in parts) for name in parts[0]}
    return join_as_of(frame.select(entity.key, ENTITY_TIME), tables, entity)
