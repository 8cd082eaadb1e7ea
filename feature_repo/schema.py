"""Entities, views and the schema of a dataset; no third-party import.

A feature is declared once, here or in `feature_repo/datasets/`. The declaration decides
Feast fields, expectations, encoders, tower inputs and the filter fields of Milvus.

Times that are feature *values* are int64 microseconds since 1970-01-01 UTC. Ages are
computed at encoding, from the time of the query, so that a stored row never goes stale.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cached_property

from feature_repo.event_kinds import DEFAULT_KINDS, Kinds, Role
from feature_repo.feature import Column, Feature, Kind
from feature_repo.granularity import DAY, Granularity
from feature_repo.holdout import DEFAULT as TWO_WEEKS
from feature_repo.holdout import WindowLength

__all__ = [
    "CREATED_TIME",
    "ENTITY_TIME",
    "FEATURES_VERSION",
    "ITEM_ID",
    "RESERVED_ARRAYS",
    "RESERVED_COLUMNS",
    "USER_ID",
    "Column",
    "Entity",
    "Feature",
    "Kind",
    "Schema",
    "View",
    "stored_name",
]
FEATURES_VERSION = 1
"""Number of what the code computes of a declaration. Raise it with every change of a
value in the feature tables or of its encoding; a test compares them with stored ones."""
ENTITY_TIME = "event_timestamp"
"""Column of every feature table: time from which the row was true."""
CREATED_TIME = "created"
"""Column of every feature table: time from which the row was known."""


MAX_DATASET_NAME = 100
"""Characters of a dataset's name: databases of releases and features bound theirs."""


def stored_name(dataset: str) -> str:
    """Name of a dataset in Feast and Milvus, which take ASCII names only."""
    return dataset if dataset.isascii() else f"d{hashlib.sha256(dataset.encode()).hexdigest()[:16]}"


class Entity(StrEnum):
    """Owner of a feature; the value is the prefix of the join key."""

    USER = "user"
    ITEM = "item"

    @property
    def key(self) -> str:
        """Name of the join key column: `user_id` or `item_id` (strings)."""
        return f"{self.value}_id"


USER_ID, ITEM_ID = Entity.USER.key, Entity.ITEM.key
"""Join keys."""
RESERVED_COLUMNS = frozenset({USER_ID, ITEM_ID, ENTITY_TIME, CREATED_TIME})
"""Keys and times of the feature tables, which no feature may be named after."""
RESERVED_ARRAYS = frozenset({"user_embedding", "history_embeddings", "candidate_embeddings"})
"""Inputs of a release's re-scorer beside the features, which no feature may be named
after."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Features of one entity that are computed together: one table, one Feast view."""

    name: str
    """Name of the view."""
    entity: Entity
    """Entity that the features describe."""
    features: tuple[Feature, ...]
    """Features in the order of the columns."""
    description: str = ""
    """Description for people."""

    def __post_init__(self) -> None:
        if self.features and not self.columns:
            names = [feature.name for feature in self.features]
            raise ValueError(f"view {self.name!r} stores nothing: {names} have no column; put them beside a stored one")

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Stored value columns in order, without keys and times."""
        return {name: column for feature in self.features for name, column in feature.columns.items()}


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Features of a dataset."""

    dataset: str
    """Name of the dataset, the prefix of every stored name."""
    views: tuple[View, ...]
    """Views of both entities."""
    seen_items_may_return: bool
    """Whether a seen item can be relevant to its user."""
    snapshots: str = DAY
    """Granularity of the user snapshots that training reads, see `granularity`."""
    holdout: str = TWO_WEEKS
    """Length of the hold-out, see `holdout`."""
    validation: str = TWO_WEEKS
    """Length of the validation window."""
    features_version: int = FEATURES_VERSION
    """Version of the code that computes the features, part of the digest."""
    kinds: Kinds = DEFAULT_KINDS
    """Kinds of events of the log, and what each counts as."""

    def __post_init__(self) -> None:
        name = self.dataset
        if not name.isidentifier() or name != name.lower() or name.startswith("_") or len(name) > MAX_DATASET_NAME:
            raise ValueError(
                f"dataset name {name!r}: wanted at most {MAX_DATASET_NAME} lower-case letters, digits and underscores, "
                "a letter first"
            )
        Granularity.of(self.snapshots)
        WindowLength.of(self.holdout, "holdout")
        WindowLength.of(self.validation, "validation", shares=False)
        features = [feature for view in self.views for feature in view.features]
        columns = [column for feature in features for column in feature.columns]
        for what, names in (
            ("columns", columns),
            ("features", [feature.name for feature in features]),
            ("views", [view.name for view in self.views]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"schema {self.dataset!r} declares {what} twice: {', '.join(twice)}")
        # A history has one more array than columns.
        ages = {f"{each.name}_ages" for each in features if each.kind is Kind.HISTORY}
        taken = sorted((RESERVED_COLUMNS | RESERVED_ARRAYS | ages).intersection(each.name for each in features))
        if taken:
            raise ValueError(
                f"schema {self.dataset!r}: {', '.join(taken)} name a key, a time, or an array of the towers; rename "
                "the feature, and name its column by `column`"
            )

    def views_of(self, entity: Entity) -> tuple[View, ...]:
        """Views of an entity."""
        return tuple(view for view in self.views if view.entity is entity)

    def features_of(self, entity: Entity) -> tuple[Feature, ...]:
        """Features of an entity, in the order of its views."""
        return tuple(feature for view in self.views_of(entity) for feature in view.features)

    def view(self, name: str) -> View:
        """View of a name.

        Raises:
            KeyError: no such view.
        """
        for view in self.views:
            if view.name == name:
                return view
        raise KeyError(f"no view {name!r} in schema {self.dataset!r}; there are {[v.name for v in self.views]}")

    @cached_property
    def digest(self) -> str:
        """Eight hex digits over the declaration, which names of views and services carry.

        Windows are no part of it: a release keeps its features when they change.
        """
        declared = replace(self, holdout=TWO_WEEKS, validation=TWO_WEEKS)
        return hashlib.sha256(declared.to_json().encode()).hexdigest()[:8]

    def to_json(self) -> str:
        """JSON of the declaration, with sorted keys."""
        views = [asdict(view) | {"features": [each.to_dict() for each in view.features]} for view in self.views]
        raw = asdict(self) | {"views": views}
        # A schema with the first value has the digest of the time before there was a choice.
        first = {"snapshots": DAY, "features_version": 1, "kinds": DEFAULT_KINDS}
        first |= {"holdout": TWO_WEEKS, "validation": TWO_WEEKS}
        return json.dumps({k: v for k, v in raw.items() if first.get(k) != v}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Read the JSON of `to_json`."""
        raw = json.loads(text)
        views = tuple(
            View(
                name=view["name"],
                entity=Entity(view["entity"]),
                description=view["description"],
                features=tuple(Feature.from_dict(feature) for feature in view["features"]),
            )
            for view in raw["views"]
        )
        kinds = tuple((name, Role(role)) for name, role in raw.get("kinds", DEFAULT_KINDS))
        return cls(**({"features_version": 1} | raw | {"views": views, "kinds": kinds}))
