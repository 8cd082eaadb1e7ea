"""Nights on one home: exports that grow, and the champion's answers computed afresh from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from feature_repo.datasets import default_as_of, load
from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Entity
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from feature_repo.tables.other_schema import under_schema
from orchestration.split import split_of
from serving.model.bundle import ModelBundle
from serving.open import open_retriever
from serving.registry import Registry
from serving.release.manifest import ReleaseError
from tests.pipeline.planted import Ended, Home, world, write_world

DATASET = "nights"
USERS = ("u000", "u001", "u004", "u063", "nobody")
GONE, WITHDRAWN = "u000", ["i000", "i004"]
"""A user who asks to be deleted, and items that are withdrawn."""
K = 20
OPEN = {"regression": {"metrics": ["all/recall@20"], "max_drop": 0.3}}
"""A gate that every training of this world passes: a night here is not lost by chance."""
SHUT = {"floors": {"all/recall@20": 0.99}}
"""A gate that none passes."""

Answer = tuple[int, str, dict[str, float]]
"""Version, source, and score by item."""


@dataclass(frozen=True, kw_only=True)
class Night:
    """A night and what was so after it."""

    ended: Ended
    """The run of the night."""
    champion: int | None
    answers: list[Answer] | str
    """Answers of the champion to USERS, or why there are none."""
    fresh: list[Answer]
    """The same, computed from the exports alone; empty without a champion that serves."""
    known: list[str]
    """Users whom the champion knows."""


@dataclass(kw_only=True)
class Shop:
    """A folder whose files are exported anew, and the home whose nights read it."""

    home: Home
    log: Tables
    """All that will ever happen."""
    dataset: str = DATASET
    """Name of the dataset, and of its folder."""
    exports: dict[str, Tables] = field(default_factory=dict)
    """By night, the newest export that could be read."""
    learned: dict[int, str] = field(default_factory=dict)
    """By version, the night that trained it."""
    refitted: dict[int, str] = field(default_factory=dict)
    """The same of refits."""

    @property
    def folder(self) -> Path:
        return self.home.root / self.dataset

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.home.settings, self.dataset)

    def export(self, days: int, *, wrong_clock: bool = False, without: bool = False) -> None:
        """Write the log of the first days.

        Args:
            days: days since its first event.
            wrong_clock: whether one event of 2099 is in it.
            without: whether what was deleted and withdrawn is left out.
        """
        end = self.log.events["timestamp"].min() + timedelta(days=days)
        events = self.log.events.filter(pl.col("timestamp") < end)
        if wrong_clock:
            never = pl.lit(datetime(2099, 1, 1)).cast(pl.Datetime("us"))
            events = pl.concat([events, events.head(1).with_columns(timestamp=never, created=never)])
        if without:
            events = events.filter(~pl.col("item_id").is_in(WITHDRAWN) & (pl.col("user_id") != GONE))
        events.write_csv(self.folder / "events.csv")

    def configure(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Edit the YAML."""
        path = self.folder / "gatehouse.yaml"
        config = yaml.safe_load(path.read_text())
        change(config)
        path.write_text(yaml.safe_dump(config))

    def night(self, name: str, *options: str, **policy: Any) -> Night:
        """Run at night, and ask what serves afterwards.

        Args:
            name: name of the night.
            options: options of the run.
            policy: parts of the gate's policy.
        """
        run = ("run", "--data", self.folder, "--recipe", "quick", "--json", *options)
        ended = self.home.command(*run, **(policy or OPEN))
        if ended.code in (0, 3):
            self.exports[name] = load("own", data=self.folder, now=datetime.now(UTC).replace(tzinfo=None))
            self.learned.setdefault(ended.data["version"], name)
            if ended.data["refit"]:
                self.refitted.setdefault(ended.data["refit"]["version"], name)
        return self.asked(ended)

    def asked(self, ended: Ended) -> Night:
        """The champion's answers, and the same computed afresh."""
        champion = self.home.champion(self.dataset)
        try:
            with self.home.entered(), open_retriever(self.home.settings, self.dataset) as retriever:
                given = [retriever.recommend(user, K) for user in USERS]
                known = retriever.known_users()
        except ReleaseError as error:
            return Night(ended=ended, champion=champion, answers=str(error), fresh=[], known=[])
        answers = [(each.version, each.source, {item.item_id: item.score for item in each.items}) for each in given]
        return Night(ended=ended, champion=champion, answers=answers, fresh=self.fresh(champion), known=known)

    def fresh(self, version: int) -> list[Answer]:
        """Answers of a version's towers to the newest export: no store, no index, no service of the home."""
        bundle = ModelBundle.from_folder(self.registry.download(version))
        learned, newest = self.exports[(self.learned | self.refitted)[version]], list(self.exports.values())[-1]
        items = corpus_at(learned, default_as_of(learned) if version in self.refitted else split_of(learned).cut)
        item_ND, there = bundle.item.embed(items), set(newest.items["item_id"])
        users = users_at_the_end(under_schema(newest, bundle.schema))
        user_of = dict(zip(users["user_id"], bundle.user.embed(users), strict=True))
        popular = most_popular(learned)
        answers: list[Answer] = []
        for user in USERS:
            scores = (
                popular if user not in user_of else dict(zip(items["item_id"], item_ND @ user_of[user], strict=True))
            )
            best = sorted((-float(score), id_) for id_, score in scores.items() if id_ in there)[:K]
            source = "two_tower" if user in user_of else "popular"
            answers.append((version, source, {id_: -score for score, id_ in best}))
        return answers


def corpus_at(tables: Tables, moment: datetime) -> pl.DataFrame:
    """Features of all items on the Monday before a moment."""
    day = datetime.combine(moment.date(), time.min)
    monday = day - timedelta(days=day.weekday())
    return joined(tables, Entity.ITEM, tables.items.select("item_id"), monday)


def users_at_the_end(tables: Tables) -> pl.DataFrame:
    """Features of all users when the log ends."""
    return joined(tables, Entity.USER, tables.users.select("user_id"), default_as_of(tables))


def joined(tables: Tables, entity: Entity, ids: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    at = ids.sort(entity.key).with_columns(event_timestamp=pl.lit(moment, pl.Datetime("us")))
    return join_as_of(at, feature_tables(tables, entity, (moment,)), entity)


def most_popular(tables: Tables) -> dict[str, float]:
    """Events of the last four weeks by item."""
    since = tables.events["timestamp"].max() - timedelta(days=28)
    taken = tables.events.filter(pl.col("timestamp") >= since)["item_id"]
    return {id_: float((taken == id_).sum()) for id_ in tables.items["item_id"]}


def alike(answers: list[Answer] | str, fresh: list[Answer]) -> None:
    """Assert that answers are those computed afresh; items of equal scores may differ at the end of a list."""
    assert len(answers) == len(fresh) == len(USERS), answers
    for user, given, wanted in zip(USERS, answers, fresh, strict=True):
        assert given[:2] == wanted[:2], user
        scores = [sorted(each[2].values(), reverse=True) for each in (given, wanted)]
        assert len(scores[0]) == len(scores[1]) == K, user
        np.testing.assert_allclose(*scores, atol=1e-4, err_msg=user)
        last = scores[1][-1] + 1e-4
        clear = [{id_ for id_, score in each[2].items() if score > last + 1e-4} for each in (given, wanted)]
        assert clear[0] == clear[1], user


def new_shop(home: Home, dataset: str = DATASET) -> Shop:
    """The shop before its first night."""
    log = world(dataset)
    write_world(home.root / dataset, replace(log, events=log.events.head(0)))
    return Shop(home=home, log=log, dataset=dataset)
