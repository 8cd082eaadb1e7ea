"""Histories: items, ages, counts and decayed counts.

Legend: N rows, L items kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_repo.encode.inputs import PAD
from feature_repo.encode.numbers import MICROSECONDS_PER_DAY
from feature_repo.encode.values import Encode, Values, padded
from feature_repo.feature import Feature

LN_2 = float(np.log(2))
FAINTEST = -10.0
"""Log of the smallest decayed count: older interactions count as this, so that their
logs do not outweigh the rest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HistoryLists:
    """Lists of histories as stored, before they are aged.

    They do not depend on the time of a query, so that one copy serves every time. All
    are [N, L], with PAD and zeros behind the end.
    """

    items: np.ndarray
    """Codes of the items, int32."""
    times: np.ndarray
    """Last times in microseconds, int64."""
    counts: np.ndarray
    """Numbers of interactions, float32."""
    moments: np.ndarray
    """Moments of the decayed counts in microseconds, int64."""

    @classmethod
    def read(cls, values: Values[Any], feature: Feature) -> HistoryLists:
        """Lists in the columns of a history."""
        width = feature.length or 1

        def part(name: str, encode: Encode[Any], dtype: type) -> np.ndarray:
            flat, lengths_N = values.lists(f"{feature.name}_{name}", width)
            return padded(flat, lengths_N, width, encode, dtype)

        return cls(
            items=part("items", lambda flat: values.codes(flat, feature.name), np.int32),
            times=part("times", values.integers, np.int64),
            counts=part("counts", values.integers, np.float32),
            moments=part("decayed", values.integers, np.int64),
        )

    def aged(self, feature: Feature, now_N: np.ndarray) -> dict[str, np.ndarray]:
        """Arrays of a history: item codes int32 [N, L], three facts float32 [N, L].

        The facts are the logs of ages in days, of counts, and of decayed counts, in which
        an interaction counts half after every half-life.

        Args:
            feature: the history.
            now_N: times of the queries in microseconds, int64.
        """
        name, now = feature.name, now_N[:, None]
        # A query time read back in whole seconds may lie before the last event.
        days = np.maximum(now - self.times, 0) / MICROSECONDS_PER_DAY
        half_lives = (self.moments - now) / (feature.half_life_days * MICROSECONDS_PER_DAY)
        ages, decayed = np.log1p(days), np.maximum(LN_2 * half_lives, FAINTEST)
        behind_end = self.items == PAD
        ages[behind_end] = decayed[behind_end] = 0.0
        return {
            f"{name}_items": self.items,
            f"{name}_ages": ages.astype(np.float32),
            f"{name}_counts": np.log1p(self.counts),
            f"{name}_decayed": decayed.astype(np.float32),
        }
