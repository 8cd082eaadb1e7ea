"""Encoder of one entity's features.

It is fitted on training rows and then frozen; its tower's release holds it as JSON.
`inputs` describes its arrays, which is all that a tower needs to be built.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from feature_repo.encode.codes import Code, coded, hashed, lookup, padded, vocabulary
from feature_repo.encode.cycles import circled, refuse_stopped_clock
from feature_repo.encode.history import HistoryLists, history
from feature_repo.encode.inputs import RESERVED, Input, InputKind, derived, describe
from feature_repo.encode.moment import asked_at
from feature_repo.encode.numbers import Scale, fit_scale, scaled
from feature_repo.encode.parts import ROWS_AT_ONCE, filled
from feature_repo.encode.sentences import SentenceEncoder, content_hash, load_sentence_encoder, sentence_vectors
from feature_repo.encode.text import WORD_RULE, token_codes
from feature_repo.encode.vectors import vectors
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
        for feature in used:
            if feature.kind in CODED and not feature.hashed:
                vocabularies[feature.name] = vocabulary(frame, key, feature)
            elif feature.kind in (Kind.NUMERIC, Kind.TIMESTAMP):
                scales[feature.name] = fit_scale(frame, feature)
            elif feature.kind is Kind.HISTORY:
                vocabularies[feature.name] = tuple(items)
            elif feature.kind is Kind.MOMENT:
                refuse_stopped_clock(frame, feature)
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
        absent = [name for name in self.columns if name not in frame.columns]
        if absent:
            raise ValueError(f"cannot encode: columns {absent} are missing; got {frame.columns}")
        if frame[ENTITY_TIME].null_count():
            raise ValueError(f"cannot encode: {ENTITY_TIME} is null in {frame[ENTITY_TIME].null_count():,} rows")
        asked = frame if moment is None else asked_at(frame, moment)
        parts = asked.iter_slices(ROWS_AT_ONCE) if asked.height else iter([asked])
        return filled(map(self._encode_rows, parts), frame.height)

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
        return HistoryLists.read(frame, feature, self._lookups[feature.name])

    def _encode_rows(self, frame: pl.DataFrame) -> dict[str, np.ndarray]:
        arrays = {self.key: coded(frame[self.key], self._lookups[self.key])}
        for feature in self.features:
            arrays |= self._encode(feature, frame)
            if feature.cycles:
                arrays[derived(feature, "cycles", self._names)] = circled(frame, feature)
        return arrays

    def _encode(self, feature: Feature, frame: pl.DataFrame) -> dict[str, np.ndarray]:
        name = feature.name
        match feature.kind:
            case Kind.ID | Kind.CATEGORICAL:
                return {name: self._code(feature)(frame[name])}
            case Kind.MULTI_VALUED:
                return {name: padded(frame[name], feature.length or 1, self._code(feature))}
            case Kind.TEXT if feature.encoder:
                return {name: sentence_vectors(frame[name], feature, self._sentence_encoders[name])}
            case Kind.TEXT:
                return {name: token_codes(frame[name], feature, self.word_rule)}
            case Kind.NUMERIC | Kind.TIMESTAMP:
                number, bucket = scaled(frame, feature, self.scales[name])
                return {name: number, derived(feature, "bucket", self._names): bucket}
            case Kind.MOMENT:
                return {}
            case Kind.VECTOR:
                return {name: vectors(name, frame[name], feature.dim or 0)}
            case Kind.HISTORY:
                return history(frame, feature, self._lookups[name])

    def _code(self, feature: Feature) -> Code:
        buckets = feature.hashed
        if buckets:
            return lambda values: hashed(values, buckets)
        return lambda values: coded(values, self._lookups[feature.name])

    @cached_property
    def _names(self) -> frozenset[str]:
        """Names of the features."""
        return frozenset(feature.name for feature in self.features)

    @cached_property
    def _lookups(self) -> dict[str, pl.DataFrame]:
        """Vocabularies as frames, built once."""
        # The frame of a long vocabulary is too slow to build at every request.
        return {name: lookup(values) for name, values in self.vocabularies.items()}

    @cached_property
    def _sentence_encoders(self) -> dict[str, SentenceEncoder]:
        """Sentence encoders, loaded and compared with those of training at first use."""
        by_name = {feature.name: feature for feature in self.features}
        return {
            name: load_sentence_encoder(by_name[name], sha256, self.word_rule)
            for name, sha256 in self.sentences.items()
        }

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
