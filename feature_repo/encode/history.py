"""Histories: items, ages, counts and decayed counts.

Legend: N rows, L items kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.encode.codes import coded, padded
from feature_repo.encode.inputs import PAD
from feature_repo.encode.numbers import MICROSECONDS_PER_DAY
from feature_repo.feature import Feature
from feature_repo.schema import ENTITY_TIME

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
    def read(cls, frame: pl.DataFrame, feature: Feature, known: pl.DataFrame) -> HistoryLists:
        """Lists in the columns of a history.

        Args:
            frame: columns of the history.
            feature: the history.
            known: `lookup` of the items.
        """
        name, width = feature.name, feature.length or 1
        return cls(
            items=padded(frame[f"{name}_items"], width, lambda flat: coded(flat, known)),
            times=padded(frame[f"{name}_times"], width, lambda flat: flat.to_numpy(), np.int64),
            counts=padded(frame[f"{name}_counts"], width, lambda flat: flat.to_numpy(), np.float32),
            moments=padded(frame[f"{name}_decayed"], width, lambda flat: flat.to_numpy(), np.int64),
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
        decayed = np.where(self.items == PAD, 0.0, np.maximum(LN_2 * half_lives, FAINTEST))
        ages = np.where(self.items == PAD, 0.0, np.log1p(days))
        return {
            f"{name}_items": self.items,
            f"{name}_ages": ages.astype(np.float32),
            f"{name}_counts": np.log1p(self.counts),
            f"{name}_decayed": decayed.astype(np.float32),
        }


def history(frame: pl.DataFrame, feature: Feature, known: pl.DataFrame) -> dict[str, np.ndarray]:
    """Arrays of a history at each row's time, see `HistoryLists.aged`.

    Args:
        frame: event_timestamp and the columns of the history.
        feature: the history.
        known: `lookup` of the items.
    """
    return HistoryLists.read(frame, feature, known).aged(feature, frame[ENTITY_TIME].dt.epoch("us").to_numpy())
