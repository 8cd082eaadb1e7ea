"""Encoder of requests: a few rows of Python values, without a data frame.

Legend: B rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from feature_repo.encode.encoder import Encoder, refuse_missing, refuse_unknown_times
from feature_repo.encode.python_values import Codes, PythonValues, refuse_other_types
from feature_repo.feature import Column

NO_TIME = np.iinfo(np.int64).min
"""Time of a row that has none: NumPy's NaT."""


class RequestEncoder:
    """Encoder of requests, with the arrays of `Encoder.encode` of an equal frame.

    A value's code is looked up in a dict, which does not grow slower with the vocabulary.
    The dict of a vocabulary is made at its first use and kept: about 110 bytes a value
    beside the texts, which it shares with the encoder, and half a second a million.

    Args:
        encoder: the encoder that training has fitted.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._codes = Codes(encoder.vocabularies)
        stored = {name: column for feature in encoder.features for name, column in feature.columns.items()}
        self._columns = {encoder.key: Column.STRING} | stored

    def prepare(self) -> None:
        """Make the dicts of all vocabularies, so that no request waits for them."""
        for name in self.encoder.vocabularies:
            self._codes[name]

    def encode(self, columns: Mapping[str, Sequence[Any]], times_B: np.ndarray) -> dict[str, np.ndarray]:
        """Arrays of all rows, by input: names, types and bits of `Encoder.encode`.

        Args:
            columns: key and columns of the features, one Python value (text, number, list
                or None) for each row.
            times_B: times to which ages and cycles are counted: microseconds UTC, int64.

        Raises:
            ValueError: a missing column, columns of other lengths than the times, a value
                of another type than the column's, an unknown time, a vector that is not
                `dim` finite numbers, or another sentence encoder than in training.
        """
        refuse_missing(self._columns, columns.keys())
        refuse_unknown_times(int((times_B == NO_TIME).sum()))
        for name, column in self._columns.items():
            if len(columns[name]) != len(times_B):
                raise ValueError(f"cannot encode: {name} has {len(columns[name])} values for {len(times_B)} times")
            refuse_other_types(name, columns[name], column)
        return self.encoder.definition.arrays(PythonValues(columns, times_B, self._codes))
