"""Retrieval model of the Python API.

Towers, corpus and users as of the cut, in memory.

Legend: Q users, N items of the corpus, K ranks, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID, Entity, Schema
from orchestration.api.dataset import Dataset
from orchestration.api.frames import free_names
from orchestration.api.storage import read_model, write_model
from training.evaluation.holdout import item_sets
from training.fit import fit as fit_towers
from training.recipes import TrainConfig
from training.recipes import recipe as named_recipe
from training.recipes.choice import CHOICE_SECONDS
from training.recipes.named import DEFAULT
from training.retrieval.model_search import served_scores, served_search
from training.strangers import items_for_strangers
from training.towers import embed
from training.untrained import Fitted

TWO_TOWER, POPULAR = "two_tower", "popular"
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class RetrievalModel:
    """Trained towers with everything they answer from.

    Features are as of the cut, and search is exact.
    """

    fitted: Fitted
    """Towers, their encoders, and the metrics of each epoch."""
    config: TrainConfig
    """Recipe of the training."""
    schema: Schema
    """Features of users and items."""
    cut: datetime
    """End of the training part: nothing from then on was learned from."""
    users: pl.DataFrame
    """Every user with features as of the cut."""
    items: pl.DataFrame
    """The corpus with features as of the cut."""
    seen: pl.DataFrame
    """user_id, item_id of what was taken before the cut."""
    popular: pl.DataFrame
    """item_id, score: the answer to unknown users, best first."""

    @property
    def history(self) -> pl.DataFrame:
        """Loss of each epoch, with validation metrics where a trial chose their number.

        >>> model.history.columns[:3]
        ['epoch', 'loss', 'temperature']
        """
        return pl.DataFrame(self.fitted.epochs).with_row_index("epoch")

    def recommend(self, users: str | int | Sequence[str | int], k: int = 20) -> pl.DataFrame:
        """Recommend items as of the cut, by exact search.

        Items that were taken are left out, unless seen items may return.

        Args:
            users: user ids. Users that the data did not have get popular items.
            k: items for each; fewer where the corpus is smaller.

        Returns:
            user_id, rank from 1, item_id, score, source (two_tower or popular), and the display
            features of the items, of which one that is named as a column before has an underscore
            behind its name; users in the order given, each once.

        Raises:
            ValueError: k below 1.

        >>> model.recommend(["u1", "nobody"], k=2).select("user_id", "rank", "source", "title").rows()[2:]
        [('nobody', 1, 'popular', 'Green sport no. i4'), ('nobody', 2, 'popular', 'White tea no. i0')]
        """
        if k < 1:
            raise ValueError(f"k is {k}, wanted at least 1")
        given = [users] if isinstance(users, str | int) else users
        ids = pl.DataFrame({USER_ID: list(dict.fromkeys(map(str, given)))}, {USER_ID: pl.String})
        asked = ids.join(self.users, on=USER_ID)
        strangers = ids.join(self.users, on=USER_ID, how="anti")
        popular = self.popular.head(k).with_columns(rank=pl.int_range(1, pl.len() + 1), source=pl.lit(POPULAR))
        answers = pl.concat([self._two_tower(asked, k), strangers.join(popular, how="cross").select(*_RESULT)])
        names = [f.name for f in self.schema.features_of(Entity.ITEM) if f.display]
        found = ids.join(answers, on=USER_ID, maintain_order="left_right")
        shown = self.items.select(ITEM_ID, *names).rename(free_names(names, taken=_RESULT))
        return found.join(shown, on=ITEM_ID, how="left", maintain_order="left")

    def embed_users(self, users: Sequence[str | int] | None = None) -> np.ndarray:
        """Embed users as of the cut: float32 [Q, D], in the order given.

        None embeds all, sorted by id.

        Raises:
            LookupError: a user that the data did not have.

        >>> model.embed_users(["u1", "u2"]).shape
        (2, 16)
        """
        return embed(self.fitted.model.user, self.fitted.user_encoder.encode(_rows(self.users, USER_ID, users)))

    def embed_items(self, items: Sequence[str | int] | None = None) -> np.ndarray:
        """Embed items as of the cut: float32 [N, D], in the order given.

        None embeds all, sorted by id.

        Raises:
            LookupError: an item that the data did not have.

        >>> model.embed_items().shape
        (300, 16)
        """
        if items is None:
            return self._item_ND.copy()
        return embed(self.fitted.model.item, self.fitted.item_encoder.encode(_rows(self.items, ITEM_ID, items)))

    def save(self, folder: str | Path) -> None:
        """Write the model into a folder of its own, for `load_model`.

        Raises:
            InputError: the folder is not empty.

        >>> model.save(folder)
        >>> gh.load_model(folder).recommend("u1").equals(model.recommend("u1"))
        True
        """
        write_model(Path(folder), vars(self))

    @cached_property
    def _corpus(self) -> dict[str, np.ndarray]:
        return self.fitted.item_encoder.encode(self.items)

    @cached_property
    def _item_ND(self) -> np.ndarray:
        return embed(self.fitted.model.item, self._corpus)

    def _two_tower(self, asked: pl.DataFrame, k: int) -> pl.DataFrame:
        """Answers to known users, in no promised order of users."""
        if asked.is_empty():
            return pl.DataFrame(schema=_RESULT)
        model, arrays = self.fitted.model, self.fitted.user_encoder.encode(asked)
        embedded = embed(model.user, arrays), self._item_ND
        # All that was taken, not only the items of the history, which is cut at a
        # length.
        exclude = None if self.schema.seen_items_may_return else self._seen(asked[USER_ID])
        search = served_search(model, arrays, self._corpus, embedded=embedded)(exclude=exclude)
        ids_QK = search(np.arange(len(asked)), min(k, len(self.items)))
        scores_QK = served_scores(model, arrays, self._corpus, embedded, ids_QK)
        query, rank = np.nonzero(ids_QK >= 0)
        columns = {
            USER_ID: asked[USER_ID].gather(query),
            "rank": rank.astype(np.int64) + 1,
            ITEM_ID: self.items[ITEM_ID].gather(ids_QK[query, rank]),
            "score": scores_QK[query, rank],
        }
        return pl.DataFrame(columns).with_columns(source=pl.lit(TWO_TOWER)).select(*_RESULT)

    def _seen(self, users: pl.Series):  # type: ignore[no-untyped-def]
        """[Q, N]: an entry for each item that a user took before the cut."""
        pairs = self.seen.filter(pl.col(USER_ID).is_in(users.implode()))
        rows = pairs[USER_ID].replace_strict(users, np.arange(len(users)), return_dtype=pl.Int64)
        columns = pairs[ITEM_ID].replace_strict(self.items[ITEM_ID], np.arange(len(self.items)), return_dtype=pl.Int64)
        return item_sets(rows.to_numpy(), columns.to_numpy(), (len(users), len(self.items)))


def fit(
    data: Dataset,
    recipe: str | TrainConfig = DEFAULT,
    *,
    seed: int = 0,
    device: str = "cpu",
    choice_seconds: float = CHOICE_SECONDS,
    on_epoch: OnEpoch = lambda epoch, metrics: None,
) -> RetrievalModel:
    """Train towers on everything before the cut.

    A small log's number of epochs is found in a trial, and with the default recipe
    further trials on the same window choose between its switches.

    Features are as of the cut, search is exact, and nothing is registered or gated.

    Args:
        data: the dataset.
        recipe: name of a recipe, or a `TrainConfig`, such as `replace(gh.recipes.base(), dim=64)`.
        seed: random seed.
        device: cpu, cuda, cuda:1.
        choice_seconds: budget of these trials together; 0 trains the default recipe as it is.
        on_epoch: called with the number and the metrics of each epoch.

    Raises:
        ValueError: an unknown recipe, or one that these data cannot train.

    >>> gh.fit(data, "fastest")
    Traceback (most recent call last):
    ValueError: no recipe 'fastest'; there are base, behavioural, by_value, with_statistics, without_repeats
    """
    returning = data.schema.seen_items_may_return
    size = data.tables.events.height
    named = recipe if isinstance(recipe, TrainConfig) else None
    config = named or named_recipe(str(recipe), seen_items_may_return=returning, interactions=size)
    fitted = fit_towers(
        schema=data.schema,
        queries=data.queries,
        item_snapshots=data.item_snapshots,
        positives=data.positives,
        events=data.tables.events,
        validation_start=data.split.validation_start,
        cut=data.split.cut,
        config=config,
        seed=seed,
        on_epoch=on_epoch,
        impressions=data.tables.impressions,
        device=device,
        choice_seconds=choice_seconds if recipe == DEFAULT else 0.0,
    )
    popular = items_for_strangers(fitted.model, fitted.item_encoder, data.tables.items[ITEM_ID], data.known)
    return RetrievalModel(
        fitted=fitted,
        config=fitted.config,
        schema=data.schema,
        cut=data.split.cut,
        users=data.users,
        items=data.items,
        seen=data.positives.select(USER_ID, ITEM_ID).unique().sort(USER_ID, ITEM_ID),
        popular=pl.DataFrame(popular, {ITEM_ID: pl.String, "score": pl.Float64}, orient="row"),
    )


def load_model(folder: str | Path) -> RetrievalModel:
    """Read a model that `RetrievalModel.save` wrote.

    Raises:
        InputError: the folder holds no such model.

    >>> gh.load_model("nowhere")
    Traceback (most recent call last):
    feature_repo.errors.InputError: nowhere: no model; wanted a folder that RetrievalModel.save wrote
    """
    return RetrievalModel(**read_model(Path(folder)))


_RESULT = {USER_ID: pl.String, "rank": pl.Int64, ITEM_ID: pl.String, "score": pl.Float64, "source": pl.String}


def _rows(frame: pl.DataFrame, key: str, ids: Sequence[str | int] | None) -> pl.DataFrame:
    """Rows of the given ids in their order. LookupError for ids that are not there."""
    if ids is None:
        return frame
    wanted = pl.DataFrame({key: list(map(str, ids))}, {key: pl.String})
    if unknown := wanted.join(frame, on=key, how="anti")[key].to_list():
        raise LookupError(f"{len(unknown):,} of {len(wanted):,} values of {key} are unknown, such as {unknown[0]!r}")
    return wanted.join(frame, on=key, maintain_order="left")
