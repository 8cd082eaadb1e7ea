"""Encoder of one entity's features.

It is fitted on training rows and then frozen; its tower's release holds it as JSON.
`inputs` describes its arrays, which is all that a tower needs to be built.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from feature_repo.encode.codes import vocabulary
from feature_repo.encode.cycles import refuse_stopped_clock
from feature_repo.encode.definition import Definition
from feature_repo.encode.history import HistoryLists
from feature_repo.encode.inputs import RESERVED, Input, InputKind, describe
from feature_repo.encode.moment import asked_at
from feature_repo.encode.numbers import NUMBERS, Scale, fit_scale
from feature_repo.encode.parts import ROWS_AT_ONCE, filled
from feature_repo.encode.sentences import content_hash
from feature_repo.encode.series import FrameValues, lookup
from feature_repo.encode.text import WORD_RULE
from feature_repo.feature import CODED, Feature, Kind
from feature_repo.schema import ENTITY_TIME


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Encoder of one entity's features."""

    key: str
    """Id column of the entity."""
    features: tuple[Feature, ...]
    """Encoded features."""
    vocabularies: dict[str, tuple[str, ...]]
    """Values with a code, by feature; of `key` the ids."""
    scales: dict[str, Scale]
    """Scales of numbers and ages, by feature."""
    sentences: dict[str, str] = field(default_factory=dict)
    """Hashes of the sentence encoders, by text feature."""
    own_ids: int | None = None
    """Number of ids, the first ones, that have a vector of their own in the tower; None
    for all. Histories know the others by name."""
    word_rule: int = 1
    """Rule that finds the words of texts, see `encode.text`."""

    def __post_init__(self) -> None:
        for name, values in self.vocabularies.items():
            if len(set(values)) < len(values):
                raise ValueError(f"vocabulary of {name!r}: {len(values) - len(set(values)):,} values are there twice")
        names = [each.name for each in self.inputs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"several features of {self.key!r} are encoded as {twice}; rename one of each")

    @classmethod
    def fit(
        cls,
        key: str,
        features: Sequence[Feature],
        frame: pl.DataFrame,
        *,
        ids: Iterable[str],
        rare: Iterable[str] = (),
        items: Iterable[str] = (),
    ) -> Encoder:
        """Encoder with vocabularies and scales of training rows.

        Args:
            key: id column of the entity.
            features: features of the entity; those outside the tower are left out.
            frame: event_timestamp and the columns of the features.
            ids: vocabulary of the key.
            rare: further ids, without a vector of their own.
            items: items that training interacts with, the vocabulary of histories.

        Raises:
            ValueError: features whose arrays would share a name, or a moment that never
                changes.
        """
        used = tuple(feature for feature in features if feature.tower)
        own, shared = tuple(ids), tuple(rare)
        vocabularies, scales, sentences = {key: (*own, *shared)}, {}, {}
        values = FrameValues(frame, {})
        for feature in used:
            if feature.kind in CODED and not feature.hashed:
                vocabularies[feature.name] = vocabulary(frame, key, feature)
            elif feature.kind in NUMBERS:
                scales[feature.name] = fit_scale(values, feature)
            elif feature.kind is Kind.HISTORY:
                vocabularies[feature.name] = tuple(items)
            elif feature.kind is Kind.MOMENT:
                refuse_stopped_clock(values.now_N, feature)
            elif feature.encoder:
                sentences[feature.name] = content_hash(feature)
        return cls(
            key=key,
            features=used,
            vocabularies=vocabularies,
            scales=scales,
            sentences=sentences,
            own_ids=len(own) if shared else None,
            word_rule=WORD_RULE,
        )

    def extended(self, names: Iterable[str], values: Iterable[str]) -> Encoder:
        """Encoder with further values in some vocabularies, behind the known ones.

        All known values keep their codes. If the key's vocabulary grows, all of its
        values have vectors of their own.
        """
        names, new = tuple(names), tuple(values)
        grown = {name: tuple(dict.fromkeys((*self.vocabularies[name], *new))) for name in names}
        own_ids = None if self.key in names else self.own_ids
        return replace(self, vocabularies=self.vocabularies | grown, own_ids=own_ids)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Arrays of `encode`, the id's code first."""
        size, own = len(self.vocabularies[self.key]) + RESERVED, self.own_ids
        identity = Input(name=self.key, kind=InputKind.CODE, size=size, own=None if own is None else own + RESERVED)
        known = {feature.name: len(self.vocabularies.get(feature.name, ())) for feature in self.features}
        described = (each for feature in self.features for each in describe(feature, known[feature.name], known))
        return (identity, *described)

    @property
    def columns(self) -> list[str]:
        """Columns that `encode` reads."""
        return [self.key, ENTITY_TIME, *(column for feature in self.features for column in feature.columns)]

    def encode(self, frame: pl.DataFrame, moment: datetime | None = None) -> dict[str, np.ndarray]:
        """Arrays of all rows, by input.

        An unknown value is UNKNOWN, a null MISSING; a short or null list ends in PAD.
        No array holds a NaN.

        Args:
            frame: key, event_timestamp and the columns of the features.
            moment: time of the request, UTC, to which ages and cycles are counted; None
                for each row's event_timestamp, as in training.

        Raises:
            ValueError: a missing column, a null event_timestamp, a row newer than the
                moment, a vector that is not `dim` finite numbers, or another sentence
                encoder than in training.
        """
        refuse_missing(self.columns, frame.columns)
        refuse_unknown_times(frame[ENTITY_TIME].null_count())
        asked = frame if moment is None else asked_at(frame, moment)
        parts = asked.iter_slices(ROWS_AT_ONCE) if asked.height else iter([asked])
        return filled((self.definition.arrays(FrameValues(part, self._lookups)) for part in parts), frame.height)

    def encode_parts(
        self, parts: Iterable[pl.DataFrame], rows: int, moment: datetime | None = None
    ) -> dict[str, np.ndarray]:
        """Encode a long table that is never in memory as a whole.

        Args:
            parts: the rows in order, in parts.
            rows: their number.
            moment: time of the request, as of `encode`.

        Returns:
            what `encode` returns for all rows at once.

        Raises:
            ValueError: as `encode`.
        """
        return filled((self.encode(part, moment) for part in parts), rows)

    @property
    def histories(self) -> tuple[Feature, ...]:
        """Features that are histories."""
        return tuple(feature for feature in self.features if feature.kind is Kind.HISTORY)

    def without_histories(self) -> Encoder:
        """Encoder of the other features."""
        return replace(self, features=tuple(each for each in self.features if each.kind is not Kind.HISTORY))

    def read_history(self, feature: Feature, frame: pl.DataFrame) -> HistoryLists:
        """Read a history, coded but not aged."""
        return HistoryLists.read(FrameValues(frame, self._lookups), feature)

    @cached_property
    def definition(self) -> Definition:
        """Definition of the arrays, for whatever holds the values."""
        return Definition(
            key=self.key,
            features=self.features,
            scales=self.scales,
            sentences=self.sentences,
            word_rule=self.word_rule,
        )

    @cached_property
    def _lookups(self) -> dict[str, pl.DataFrame]:
        """Vocabularies as frames, built once."""
        # The frame of a long vocabulary is too slow to build at every request.
        return {name: lookup(values) for name, values in self.vocabularies.items()}

    def to_json(self) -> str:
        """JSON of all fields, without optional ones that are empty."""
        raw = asdict(self) | {"features": [feature.to_dict() for feature in self.features]}
        # Encoders of releases from before these fields have the same JSON.
        absent: dict[str, object] = {"sentences": {}, "own_ids": None, "word_rule": 1}
        return json.dumps({name: value for name, value in raw.items() if name not in absent or value != absent[name]})

    @classmethod
    def from_json(cls, text: str) -> Encoder:
        """Read the JSON of `to_json`."""
        raw = json.loads(text)
        return cls(
            key=raw["key"],
            features=tuple(Feature.from_dict(feature) for feature in raw["features"]),
            vocabularies={name: tuple(values) for name, values in raw["vocabularies"].items()},
            scales={n: Scale(mean=s["mean"], std=s["std"], edges=tuple(s["edges"])) for n, s in raw["scales"].items()},
            sentences=raw.get("sentences", {}),
            own_ids=raw.get("own_ids"),
            word_rule=raw.get("word_rule", 1),
        )


def refuse_missing(wanted: Iterable[str], found: Collection[str]) -> None:
    """Raise ValueError for columns that are not there."""
    if absent := [name for name in wanted if name not in found]:
        raise ValueError(f"cannot encode: columns {absent} are missing; got {list(found)}")


def refuse_unknown_times(rows: int) -> None:
    """Raise ValueError if rows have no time."""
    if rows:
        raise ValueError(f"cannot encode: {ENTITY_TIME} is null in {rows:,} rows")
