"""Dataset of the Python API: tables, temporal split, features in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from feature_repo.datasets import load
from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.infer_kinds import standard_columns
from feature_repo.datasets.raw_table import Epoch
from feature_repo.errors import InputError
from feature_repo.schema import ITEM_ID, USER_ID, Entity, Schema
from feature_repo.tables import feature_tables
from feature_repo.tables.join import join_as_of
from feature_repo.tables.snapshots import known_before
from orchestration.api.frames import Features, Frame, as_polars, canonical_tables, raw_entities, raw_events
from orchestration.split import split_of
from training.data.interactions import answered, at, interactions, item_rows, query_rows
from training.data.split import Split


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Checked tables with a temporal split.

    Features are computed in memory when they are needed.
    """

    tables: Tables
    """Events, users and items in canonical form, with their schema."""
    split: Split
    """Training before the cut, hold-out from the cut on."""

    @classmethod
    def from_frames(
        cls,
        events: Frame,
        users: Frame | None = None,
        items: Frame | None = None,
        *,
        user: str = USER_ID,
        item: str = ITEM_ID,
        timestamp: str | None = "timestamp",
        created: str | None = None,
        value: str | None = None,
        basket: str | None = None,
        rating: str | None = None,
        positive_from: float | None = None,
        epoch: Epoch | None = None,
        user_features: Features | None = None,
        item_features: Features | None = None,
        seen_items_may_return: bool | None = None,
        snapshots: str | None = None,
        holdout: str | None = None,
        name: str = "data",
    ) -> Dataset:
        """Make a dataset of frames.

        Args:
            events: one row for each interaction; polars or pandas, as users and items.
            users: one row for each user; None takes the users of the events.
            items: one row for each item; None takes the items of the events.
            user: column of the user id, in events and users.
            item: column of the item id, in events and items.
            timestamp: column of the time; times, ISO 8601 text, or whole numbers with `epoch`.
            created: column of the time at which an event became known.
            value: column of an amount: money, watch time.
            basket: column of the basket or session.
            rating: column of an explicit rating; needs `positive_from`.
            positive_from: lowest rating of a positive; lower ones are counted in `notes` and dropped.
            epoch: unit of whole numbers in `timestamp` and `created`: s, ms, us, ns.
            user_features: feature name -> kind, or options as in gatehouse.yaml; None guesses.
            item_features: the same for items; with `display` an answer shows the feature.
            seen_items_may_return: whether a user may take an item again; None asks the events.
            snapshots: granularity of the user snapshots: day, event, or such as "session 30m"; None
                asks the events.
            holdout: length of the hold-out: whole days such as "14d", no more than hold the newest tenth of
                the events, or a share of them such as "10%"; None is 14 days, and longer where they have few users.
            name: name of the dataset.

        Raises:
            InputError: frames, columns, ids or ratings that cannot be used, or a log too short to split.

        >>> n = pl.int_range(600)
        >>> times = pl.datetime(2024, 1, 1) + pl.duration(hours=n)
        >>> gh.Dataset.from_frames(pl.select(user_id=n % 20, item_id=n % 7, timestamp=times))
        Dataset('data': 600 events, 20 users, 7 items; cut 2024-01-23)
        """
        columns = {USER_ID: user, ITEM_ID: item, "timestamp": timestamp, "created": created}
        columns |= {"value": value, "basket_id": basket, "rating": rating}
        log = raw_events(as_polars(events, "events"), columns, epoch)
        taken = standard_columns()
        people = raw_entities(users, user, Entity.USER, user_features, taken)
        corpus = raw_entities(items, item, Entity.ITEM, item_features, taken)
        tables = canonical_tables(
            name,
            log,
            people,
            corpus,
            seen_items_may_return=seen_items_may_return,
            positive_from=positive_from,
            snapshots=snapshots,
            holdout=holdout,
        )
        return cls.of(tables)

    @classmethod
    def load(
        cls,
        name: str,
        data: str | Path | None = None,
        *,
        as_of: datetime | None = None,
        positive_from: float | None = None,
        holdout: str | None = None,
    ) -> Dataset:
        """Load a dataset that Gatehouse knows.

        Args:
            name: completejourney, tiny, movielens, or own for a folder with a gatehouse.yaml.
            data: folder of the raw files, where you bring them.
            as_of: moment after which an event is an error.
            positive_from: lowest rating of a positive, for MovieLens. None: every rating counts.
            holdout: length of the hold-out, likewise; None is the dataset's own.

        Raises:
            InputError: an unknown name, or input that cannot be used.

        >>> gh.Dataset.load("tiny")
        Dataset('tiny': 7,748 events, 200 users, 300 items; cut 2024-03-21)
        """
        folder = None if data is None else Path(data)
        return cls.of(load(name, data=folder, as_of=as_of, positive_from=positive_from), holdout=holdout)

    @classmethod
    def of(cls, tables: Tables, *, holdout: str | None = None) -> Dataset:
        """Split canonical tables by time.

        `holdout` is the length of the hold-out, such as "14d" or "10%"; None is that of the schema.

        Raises:
            InputError: no length, or a log too short to split.
        """
        if holdout:
            try:
                tables = replace(tables, schema=replace(tables.schema, holdout=holdout))
            except ValueError as error:
                raise InputError(str(error)) from error
        return cls(tables=tables, split=split_of(tables))

    @property
    def schema(self) -> Schema:
        """Features of users and items, and whether seen items may return."""
        return self.tables.schema

    @property
    def notes(self) -> Sequence[str]:
        """Findings of the checks, in plain words."""
        return self.tables.notes

    @cached_property
    def positives(self) -> pl.DataFrame:
        """Interactions before the cut."""
        return interactions(self.tables.events, self.split.cut, self.schema.snapshots)

    @cached_property
    def queries(self) -> pl.DataFrame:
        """User snapshots with features.

        Those of positives and answers, and every user at both moments of the split.
        """
        shown = self.tables.impressions
        answers = None if shown is None else answered(shown, self.split.cut, self.schema.snapshots)
        rows = query_rows(self.positives, self.tables.users[USER_ID], self._moments, answers)
        return self._with_features(rows, Entity.USER)

    @cached_property
    def item_snapshots(self) -> pl.DataFrame:
        """Item snapshots with features, likewise."""
        rows = item_rows(self.positives, self.tables.items[ITEM_ID], self._moments)
        return self._with_features(rows, Entity.ITEM)

    @property
    def users(self) -> pl.DataFrame:
        """Every user with features as of the cut, sorted by id."""
        return at(self.queries, self.split.cut)

    @property
    def items(self) -> pl.DataFrame:
        """Every item with features as of the cut, sorted by id."""
        return at(self.item_snapshots, self.split.cut, week=True)

    @property
    def known(self) -> pl.DataFrame:
        """Events that happened and were known before the cut."""
        return known_before(self.tables.events, self.split.cut)

    @property
    def _moments(self) -> tuple[datetime, datetime]:
        return self.split.validation_start, self.split.cut

    def _with_features(self, rows: pl.DataFrame, entity: Entity) -> pl.DataFrame:
        return join_as_of(rows, feature_tables(self.tables, entity, self._moments), entity)

    def __repr__(self) -> str:
        sizes = [f"{getattr(self.tables, part).height:,} {part}" for part in ("events", "users", "items")]
        return f"Dataset({self.schema.dataset!r}: {', '.join(sizes)}; cut {self.split.cut:%Y-%m-%d})"
