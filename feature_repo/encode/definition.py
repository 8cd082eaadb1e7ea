"""Definition of an encoder's arrays: what each kind of feature becomes.

There is one, for data frames and for the values of a request, so that a model is asked
about the numbers that it was trained with.

Legend: N rows, n values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from feature_repo.encode.cycles import circled
from feature_repo.encode.history import HistoryLists
from feature_repo.encode.inputs import derived
from feature_repo.encode.numbers import NUMBERS, Numbers, Scale
from feature_repo.encode.sentences import SentenceEncoder, load_sentence_encoder, sentence_vectors
from feature_repo.encode.text import token_codes
from feature_repo.encode.values import Values, padded
from feature_repo.encode.vectors import vectors
from feature_repo.feature import Feature, Kind

Arrays = dict[str, np.ndarray]
"""Arrays by name, of N rows each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Definition:
    """Definition of the arrays of one entity; the fields are those of its `Encoder`."""

    key: str
    """Id column of the entity."""
    features: tuple[Feature, ...]
    """Encoded features."""
    scales: Mapping[str, Scale]
    """Scales of numbers and ages, by feature."""
    sentences: Mapping[str, str]
    """Hashes of the sentence encoders, by text feature."""
    word_rule: int
    """Rule that finds the words of texts."""

    def arrays(self, values: Values[Any]) -> Arrays:
        """Arrays of rows, by input, the id's code first."""
        arrays = {self.key: values.codes(values.column(self.key), self.key)}
        numbers = self._numbers.encode(values)
        for feature in self.features:
            name = feature.name
            if name in numbers:
                arrays[name], arrays[derived(feature, "bucket", self._names)] = numbers[name]
            else:
                arrays |= self._arrays(feature, values)
            if feature.cycles:
                arrays[derived(feature, "cycles", self._names)] = _cycles(feature, values)
        return arrays

    def _arrays(self, feature: Feature, values: Values[Any]) -> Arrays:
        """Arrays of a feature that is no number."""
        name, width = feature.name, feature.length or 1
        match feature.kind:
            case Kind.ID | Kind.CATEGORICAL:
                return {name: _codes(feature, values, values.column(name))}
            case Kind.MULTI_VALUED:
                flat, lengths_N = values.lists(name, width)
                return {name: padded(flat, lengths_N, width, lambda each: _codes(feature, values, each))}
            case Kind.TEXT if feature.encoder:
                return {name: sentence_vectors(values.texts(name), feature, self._sentence_encoders[name])}
            case Kind.TEXT:
                return {name: token_codes(values.texts(name), feature, self.word_rule)}
            case Kind.VECTOR:
                return {name: vectors(values, name, feature.dim or 0)}
            case Kind.HISTORY:
                return HistoryLists.read(values, feature).aged(feature, values.now_N)
        return {}

    @cached_property
    def _numbers(self) -> Numbers:
        """Numbers and ages, encoded together."""
        return Numbers([feature for feature in self.features if feature.kind in NUMBERS], self.scales)

    @cached_property
    def _names(self) -> frozenset[str]:
        """Names of the features."""
        return frozenset(feature.name for feature in self.features)

    @cached_property
    def _sentence_encoders(self) -> dict[str, SentenceEncoder]:
        """Sentence encoders, loaded and compared with those of training at first use."""
        by_name = {feature.name: feature for feature in self.features}
        return {
            name: load_sentence_encoder(by_name[name], sha256, self.word_rule)
            for name, sha256 in self.sentences.items()
        }


def _codes(feature: Feature, values: Values[Any], flat: Any) -> np.ndarray:
    """Codes of values by the feature's hash or vocabulary: int32 [n]."""
    return values.hashes(flat, feature.hashed) if feature.hashed else values.codes(flat, feature.name)


def _cycles(feature: Feature, values: Values[Any]) -> np.ndarray:
    """Cycles of a timestamp, or of the times of the rows."""
    if feature.kind is Kind.MOMENT:
        return circled(values.now_N, np.ones(len(values.now_N), bool), feature.cycles)
    times = values.column(feature.name)
    return circled(values.integers(times), values.there(times), feature.cycles)
