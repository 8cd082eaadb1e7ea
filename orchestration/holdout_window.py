"""Hold-out of a version, with what its users and items were at the cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.encode import asked_at
from feature_repo.schema import ITEM_ID, USER_ID
from orchestration.asset_values import Index
from orchestration.field_slices import slices_of
from training.baselines import Log
from training.data.interactions import at
from training.evaluation.holdout import Holdout, temporal_holdout
from training.evaluation.slices import FieldSlices
from training.evaluation.windows import windows_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SAMPLE_SEED = 0
"""Seed of the sample of users."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """Hold-out of a version, with the frames of its users and items."""

    holdout: Holdout
    """Relevant and seen items of the users that are evaluated."""
    asked: pl.DataFrame
    """Features of these users at the cut, which is the moment of their requests."""
    corpus: pl.DataFrame
    """Features of all items at the cut."""
    before: Log
    """Interactions before the cut, which baselines learn from."""

    @property
    def never_again(self) -> csr_array | None:
        """Seen items of the users, where they never return; else None."""
        return None if self.holdout.seen_items_may_return else self.holdout.seen

    def slices(self, value: Index, tables: Tables, fields: Sequence[str], windows: int) -> FieldSlices:
        """Slices by field and by window.

        Args:
            value: the version.
            tables: canonical tables of its source.
            fields: fields by whose values slices are compared.
            windows: number of windows.
        """
        source, ids = value.version.source, (self.asked[USER_ID], self.corpus[ITEM_ID])
        # To the newest event: to the end of the data, which may be much later, the last windows would be empty.
        parts = windows_of(tables.events, *ids, source.cut, source.holdout_end, windows)
        return replace(slices_of(fields, tables.schema, self.asked, self.corpus, self.holdout), windows=parts)

    @classmethod
    def of(cls, value: Index, tables: Tables, *, max_users: int) -> Window:
        """Window after the cut of a version.

        Of more than `max_users` users, a sample: the same for every seed of a run, whose versions are compared.
        """
        source, frames = value.version.source, value.version.frames
        users = at(pl.scan_parquet(frames / "queries.parquet"), source.cut)
        corpus = at(pl.scan_parquet(frames / "item_snapshots.parquet"), source.cut, week=True)
        ids = users[USER_ID], corpus[ITEM_ID]
        holdout = temporal_holdout(
            tables.events, *ids, source.cut, source.holdout_end, tables.schema.seen_items_may_return
        ).sampled(max_users, seed=SAMPLE_SEED)
        before = Log.before(tables.events, *ids, source.cut)
        asked = asked_at(users[holdout.users_Q], source.cut)
        return cls(holdout=holdout, asked=asked, corpus=corpus, before=before)
