"""Users and items without training data: the worth of features and histories.

    python -m tests.benchmarks.public.cold --train T.parquet --users U.parquet --items I.parquet
        --settings 0.19 1.08 0.45 [--dim 64] [--seeds 1]

A tenth of the users and a tenth of the items of T are held out with all their
interactions. Three questions are asked: the items of a new user, of whom only side
features are known; the other half of these items, when one half is known; and the users
of new items, ranked among new items alone. The first two rank all other items of T. Ids
have a trained default. Recall@20 is a mean over users and seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from feature_repo.encode import Encoder
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID
from tests.benchmarks.public.data import Tables, as_log, existing, read_tables
from tests.benchmarks.public.systems import K, measure
from training.baselines import Log, baseline_search, ease, popularity
from training.data.training_set import Arrays
from training.data.untimed import MOMENT, UntimedInteractions, read_untimed
from training.evaluation.holdout import Holdout
from training.fit_untimed import fit_untimed
from training.recipes.untimed import INPUTS, ids_only, with_inputs, with_settings
from training.retrieval.exact import Scores, exact_search
from training.towers import embed

NEW_SHARE = 0.1
QUESTIONS = ("new users, nothing known", "new users, half known", "new items")


@dataclass(frozen=True, kw_only=True)
class World:
    """Parts of the data: known interactions, and those of new users and items."""

    known: UntimedInteractions
    """Training data."""
    given: UntimedInteractions
    """First half of the interactions of new users with known items."""
    asked: UntimedInteractions
    """Second half of these interactions."""
    item_M: Arrays
    """New items, encoded."""
    taken: tuple[np.ndarray, np.ndarray]
    """Known users, and the new items that they took."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "users", "items"):
        parser.add_argument(f"--{name}", type=existing, required=True)
    parser.add_argument(
        "--settings", type=float, nargs=3, metavar=("TEMPERATURE", "EXPONENT", "BALANCE"), required=True
    )
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    tables = read_tables(arguments.train, arguments.train, arguments.users, arguments.items)
    worlds = [split(tables, seed=seed) for seed in range(arguments.seeds)]
    print(f"| Recall@{K} | {' | '.join(QUESTIONS)} |\n|---|{'---:|' * len(QUESTIONS)}")
    for name in INPUTS:
        rows = [two_tower(name, world, arguments, seed) for seed, world in enumerate(worlds)]
        show(f"two_tower {name}", np.mean(rows, axis=0))
    for name, fit in (("popularity", popularity), ("ease", ease)):
        show(name, np.mean([baseline(fit, world) for world in worlds], axis=0))


def show(name: str, recalls: np.ndarray) -> None:
    cells = ["" if np.isnan(recall) else f"{recall:.4f}" for recall in recalls]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def split(tables: Tables, *, seed: int) -> World:
    """Hold out users, items, and half of the interactions of the new users."""
    rng = np.random.default_rng(seed)
    users, new_users = _apart(tables.users, rng)
    items, new_items = _apart(tables.items, rng)
    of_known, known_items = (
        pl.col(USER_ID).is_in(users[USER_ID].implode()),
        pl.col(ITEM_ID).is_in(items[ITEM_ID].implode()),
    )
    known = read_untimed(
        tables.train.filter(of_known, known_items),
        users,
        items,
        user_features=tables.user_features,
        item_features=tables.item_features,
    )
    first, second = tables.train.filter(~of_known, known_items), tables.train.filter(of_known, ~known_items)
    user_I, item_I = _rows(first[USER_ID], new_users), _rows(first[ITEM_ID], items)
    is_given_I = rng.random(len(user_I)) < 0.5
    new = replace(known, user_U=_encoded(known.user_encoder, new_users), user_I=user_I, item_I=item_I)
    return World(
        known=known,
        given=new.only(is_given_I),
        asked=new.only(~is_given_I),
        item_M=_encoded(known.item_encoder, new_items),
        taken=(_rows(second[USER_ID], users), _rows(second[ITEM_ID], new_items)),
    )


def _apart(entities: pl.DataFrame, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    is_new = rng.random(entities.height) < NEW_SHARE
    return entities.filter(~is_new), entities.filter(is_new)


def _rows(ids: pl.Series, entities: pl.DataFrame) -> np.ndarray:
    return ids.replace_strict(entities[ids.name], np.arange(entities.height)).to_numpy().astype(np.int64)


def _encoded(encoder: Encoder, entities: pl.DataFrame) -> Arrays:
    """Entities unknown to training, whose ids are UNKNOWN."""
    return encoder.encode(entities.with_columns(MOMENT.alias(ENTITY_TIME)))


def holdouts(world: World) -> list[Holdout]:
    """Hold-out of each question.

    The first two have the same relevant items; the second masks the given ones.
    """
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64))
    given, asked = ((each.user_I, each.item_I) for each in (world.given, world.asked))
    sizes = (len(world.known.item_N[ITEM_ID]), len(world.known.item_N[ITEM_ID]), len(world.item_M[ITEM_ID]))
    questions = ((nothing, asked), (given, asked), (nothing, world.taken))
    return [
        Holdout.from_interactions(before=before, after=after, items=size, seen_items_may_return=False)
        for (before, after), size in zip(questions, sizes, strict=True)
    ]


def two_tower(name: str, world: World, arguments: argparse.Namespace, seed: int) -> list[float]:
    """Recall of each question.

    Args:
        name: name of the inputs.
        world: the data.
        arguments: arguments of the command line.
        seed: random seed.
    """
    known = world.known
    base = ids_only(items=len(known.item_N[ITEM_ID]), interactions=len(known.user_I), dim=arguments.dim)
    base = with_settings(base, *arguments.settings)
    base = replace(base, tower=replace(base.tower, id_dropout=0.1))
    model, _ = fit_untimed(known, with_inputs(base, name), seed=seed)
    item_ND, item_MD = embed(model.item, known.item_N), embed(model.item, world.item_M)
    pairs = ((world.given.only(np.empty(0, np.int64)), item_ND), (world.given, item_ND), (known, item_MD))
    return [
        measure(exact_search(embed(model.user, users.users)[holdout.users_Q], items), holdout)[0]
        for holdout, (users, items) in zip(holdouts(world), pairs, strict=True)
    ]


def baseline(fit: Callable[[Log], Scores], world: World) -> list[float]:
    """Recall of each question by a baseline; none can rank new items.

    It is fitted on the known users and, behind them, on the given half of the new ones.
    """
    nothing = world.given.only(np.empty(0, np.int64))
    old = len(world.known.user_U[USER_ID])
    recalls = []
    for given, holdout in zip((nothing, world.given), holdouts(world)[:2], strict=True):
        scores = fit(as_log(_behind(world.known, given)))
        recalls.append(measure(baseline_search(scores, old + holdout.users_Q), holdout)[0])
    return [*recalls, np.nan]


def _behind(known: UntimedInteractions, given: UntimedInteractions) -> UntimedInteractions:
    """Users of both, with their interactions."""
    return replace(
        known,
        user_U={USER_ID: np.concatenate([known.user_U[USER_ID], given.user_U[USER_ID]])},
        user_I=np.concatenate([known.user_I, len(known.user_U[USER_ID]) + given.user_I]),
        item_I=np.concatenate([known.item_I, given.item_I]),
    )


if __name__ == "__main__":
    main()
