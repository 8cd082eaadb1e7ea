"""Interactions without times: towers learn taste from who took what, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest

from feature_repo.schema import Feature, Kind
from training.evaluate import Holdout, evaluate, exact_search
from training.pairs import Pairs, fit_pairs, read_pairs
from training.recipes import Corpus, Cosine, Uniform
from training.recipes.pairs import PAIR_RECIPES, WHOLE, ids_only
from training.recipes.text import to_flat
from training.towers import embed

USERS, ITEMS, GROUPS = 90, 60, 3


def tables(seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """User u takes ten of the twenty items i with i % 3 == u % 3."""
    rng = np.random.default_rng(seed)
    taken = [
        (f"u{u}", f"i{i}")
        for u in range(USERS)
        for i in rng.choice(np.arange(u % GROUPS, ITEMS, GROUPS), 10, replace=False)
    ]
    return (
        pl.DataFrame(taken, schema=["user_id", "item_id"], orient="row"),
        pl.DataFrame({"user_id": [f"u{u}" for u in range(USERS)]}),
        pl.DataFrame({"item_id": [f"i{i}" for i in range(ITEMS)], "colour": ["rgb"[i % 3] for i in range(ITEMS)]}),
    )


def split(pairs: Pairs) -> tuple[Pairs, Holdout]:
    held = np.arange(len(pairs.user_I)) % 10 >= 7
    known, asked = pairs.only(~held), pairs.only(held)
    return known, Holdout.from_interactions(
        before=(known.user_I, known.item_I),
        after=(asked.user_I, asked.item_I),
        items=ITEMS,
        seen_items_may_return=False,
    )


def test_users_retrieve_the_items_of_their_group() -> None:
    """Of the thirteen unseen items of the right group three are asked for: ten places of those hold 10 / 13 of them;
    without taste it would be 10 / 53. So few items want a high temperature."""
    known, holdout = split(read_pairs(*tables()))
    config = ids_only(items=ITEMS, interactions=len(known.user_I), dim=8)
    config = replace(config, score=Cosine(temperature=0.3, learned=False))
    model, history = fit_pairs(known, config, seed=0)
    search = partial(exact_search, embed(model.user, known.user_U)[holdout.users_Q], embed(model.item, known.item_N))
    assert evaluate(search, holdout, ks=(10,), seed=0).metrics["all/recall@10"] > 0.65
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_seed_repeats_itself() -> None:
    known, _ = split(read_pairs(*tables()))
    config = ids_only(items=ITEMS, interactions=len(known.user_I), dim=4)
    first, again = (fit_pairs(known, config, seed=1, epochs=2)[1] for _ in range(2))
    assert first == again


def test_a_pair_that_is_there_twice_counts_once() -> None:
    taken, users, items = tables()
    twice = read_pairs(pl.concat([taken, taken.head(7)]), users, items)
    assert len(twice.user_I) == taken.height


def test_interactions_of_nobody_are_named() -> None:
    taken, users, items = tables()
    with pytest.raises(ValueError, match="1 values of user_id are in the interactions only, as 'u7'"):
        read_pairs(taken, users.filter(pl.col("user_id") != "u7"), items)


def test_features_become_inputs() -> None:
    taken, users, items = tables()
    pairs = read_pairs(taken, users, items, item_features=(Feature(name="colour", kind=Kind.CATEGORICAL),))
    assert [each.name for each in pairs.item_encoder.inputs] == ["item_id", "colour"]
    assert len(set(pairs.item_N["colour"].tolist())) == 3


def test_a_large_corpus_gets_a_sample_of_negatives() -> None:
    assert isinstance(ids_only(items=WHOLE, interactions=9, dim=4).sampler, Corpus)
    assert isinstance(ids_only(items=WHOLE + 1, interactions=9, dim=4).sampler, Uniform)


def test_the_choice_ends_with_what_the_validation_part_prefers() -> None:
    """A score that peaks at one pair of settings; how long they were trained must not matter to who wins."""
    asked = []

    def score(config: object) -> float:
        settings = to_flat(config)  # type: ignore[arg-type]
        asked.append(settings["optimisation.epochs"])
        return -abs(settings["score.temperature"] - 0.13) - abs(settings["loss.parameters.exponent"] - 1.06)

    chosen = to_flat(PAIR_RECIPES["pairs"](items=50, interactions=100, dim=4, score=score))
    assert (chosen["score.temperature"], chosen["loss.parameters.exponent"]) == (0.13, 1.06)
    assert asked == sorted(asked) and len(set(asked)) > 1
    assert chosen["optimisation.epochs"] > max(asked)
