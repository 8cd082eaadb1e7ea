"""Interactions without times: towers learn taste from them, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from feature_repo.encode import UNKNOWN
from feature_repo.schema import Feature, Kind
from training.data.untimed import UntimedInteractions, read_untimed
from training.evaluation.evaluate import evaluate
from training.evaluation.holdout import Holdout
from training.fit_untimed import fit_untimed
from training.recipes import Corpus, Cosine, TrainConfig, Uniform
from training.recipes.serialization import to_flat
from training.recipes.untimed import BALANCE, WHOLE, best_inputs, best_settings, ids_only, with_inputs
from training.retrieval.exact import exact_search
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


def split(pairs: UntimedInteractions) -> tuple[UntimedInteractions, Holdout]:
    held = np.arange(len(pairs.user_I)) % 10 >= 7
    known, asked = pairs.only(~held), pairs.only(held)
    return known, Holdout.from_interactions(
        before=(known.user_I, known.item_I),
        after=(asked.user_I, asked.item_I),
        items=ITEMS,
        seen_items_may_return=False,
    )


def test_users_retrieve_the_items_of_their_group() -> None:
    """Recall@10 is up to 10 / 13 by taste, and 10 / 53 without.

    Thirteen unseen items are of the right group, three of them relevant. So few items
    need a high temperature.
    """
    known, holdout = split(read_untimed(*tables()))
    config = ids_only(items=ITEMS, interactions=len(known.user_I), dim=8)
    config = replace(config, score=Cosine(temperature=0.3, learned=False))
    model, history = fit_untimed(known, config, seed=0)
    search = exact_search(embed(model.user, known.user_U)[holdout.users_Q], embed(model.item, known.item_N))
    assert evaluate(search, holdout, ks=(10,), seed=0).metrics["all/recall@10"] > 0.65
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_seed_repeats_itself() -> None:
    known, _ = split(read_untimed(*tables()))
    config = ids_only(items=ITEMS, interactions=len(known.user_I), dim=4)
    first, again = (fit_untimed(known, config, seed=1, epochs=2)[1] for _ in range(2))
    assert first == again


def test_a_pair_that_is_there_twice_counts_once() -> None:
    taken, users, items = tables()
    twice = read_untimed(pl.concat([taken, taken.head(7)]), users, items)
    assert len(twice.user_I) == taken.height


def test_interactions_of_nobody_are_named() -> None:
    taken, users, items = tables()
    with pytest.raises(ValueError, match="1 values of user_id are in the interactions only, as 'u7'"):
        read_untimed(taken, users.filter(pl.col("user_id") != "u7"), items)


def test_features_become_inputs() -> None:
    taken, users, items = tables()
    pairs = read_untimed(taken, users, items, item_features=(Feature(name="colour", kind=Kind.CATEGORICAL),))
    assert [each.name for each in pairs.item_encoder.inputs] == ["item_id", "colour"]
    assert len(set(pairs.item_N["colour"].tolist())) == 3


def test_a_large_corpus_gets_a_sample_of_negatives() -> None:
    assert isinstance(ids_only(items=WHOLE, interactions=9, dim=4).negatives.sampler, Corpus)
    assert isinstance(ids_only(items=WHOLE + 1, interactions=9, dim=4).negatives.sampler, Uniform)


def test_a_history_is_what_the_user_took_of_the_interactions_that_are_known() -> None:
    taken, users, items = tables()
    pairs = read_untimed(taken, users, items)
    known = pairs.only(np.arange(len(pairs.user_I)) % 2 == 0)
    wanted = [set(known.item_N["item_id"][known.item_I[known.user_I == user]]) for user in range(USERS)]
    assert [set(row[row > 0]) for row in known.users["history_items"]] == wanted
    assert known.users["history_items"].shape == (USERS, 5)


def test_histories_that_are_left_out_are_not_made() -> None:
    pairs = read_untimed(*tables())
    assert set(pairs.training_set(("history",)).queries) == {"user_id"}
    assert "history_items" in pairs.training_set().queries
    assert [each.name for each in pairs.user_inputs(("history",))] == ["user_id"]


def test_of_a_long_history_a_random_part_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.untimed.HISTORY_LENGTH", 4)
    pairs = read_untimed(*tables())
    rows = pairs.users["history_items"]
    assert rows.shape == (USERS, 4) and (rows > 0).all()
    assert all(len(set(row)) == 4 for row in rows)
    firsts = np.sort(pairs.item_N["item_id"][pairs.item_I.reshape(USERS, 10)], axis=1)[:, :4]
    assert (np.sort(rows, axis=1) != firsts).any()


def test_a_recipe_reads_only_its_inputs() -> None:
    """By ids alone a user has one embedding for all histories; a history moves it."""
    pairs = read_untimed(*tables())
    base = ids_only(items=ITEMS, interactions=len(pairs.user_I), dim=8)
    moved = {}
    for name in ("ids_only", "history"):
        model, _ = fit_untimed(pairs, with_inputs(base, name), seed=0, epochs=1)
        other = pairs.users | {"history_items": pairs.users["history_items"][::-1].copy()}
        moved[name] = not np.array_equal(embed(model.user, pairs.users), embed(model.user, other))
    assert moved == {"ids_only": False, "history": True}


def test_a_user_without_id_is_known_by_history_and_an_item_without_clicks_by_its_features() -> None:
    """Both have the code of what is unknown; group and colour say it all."""
    taken, users, items = tables()
    new_user, new_item = pl.col("user_id") == "u3", pl.col("item_id") == "i5"
    pairs = read_untimed(
        taken.filter(~new_user, ~new_item),
        users.filter(~new_user),
        items.filter(~new_item),
        item_features=(Feature(name="colour", kind=Kind.CATEGORICAL),),
    )
    base = ids_only(items=ITEMS, interactions=len(pairs.user_I), dim=8)
    config = replace(with_inputs(base, "all"), score=Cosine(temperature=0.3, learned=False))
    model, _ = fit_untimed(pairs, config, seed=0, epochs=150)
    user = {name: array[:1].copy() for name, array in pairs.users.items()} | {"user_id": np.full(1, UNKNOWN, np.int32)}
    item = {name: array[[2]].copy() for name, array in pairs.item_N.items()} | {
        "item_id": np.full(1, UNKNOWN, np.int32)
    }
    score_N = (embed(model.user, user) @ embed(model.item, pairs.item_N).T)[0]
    group_N = np.array([int(name[1:]) % GROUPS for name in items.filter(~new_item)["item_id"]])
    assert score_N[group_N == 0].min() > score_N[group_N != 0].max()
    score_U = (embed(model.user, pairs.users) @ embed(model.item, item).T)[:, 0]
    group_U = np.array([int(name[1:]) % GROUPS for name in users.filter(~new_user)["user_id"]])
    assert np.median(score_U[group_U == group_N[2]]) > np.quantile(score_U[group_U != group_N[2]], 0.95)


def test_the_choice_of_inputs_asks_for_features_only_where_there_are_some() -> None:
    base = ids_only(items=50, interactions=100, dim=4)
    asked: list[TrainConfig] = []

    def score(config: TrainConfig) -> float:
        asked.append(config)
        return float(not config.leave_out)

    assert best_inputs(base, score, features=False) == with_inputs(base, "history")
    assert all(config.tower.item is None for config in asked) and len(asked) == 2
    assert best_inputs(base, score, features=True) == with_inputs(base, "history")
    assert len(asked) == 6


@pytest.mark.parametrize("balance", [0.0, BALANCE])
def test_the_choice_ends_with_what_the_validation_part_prefers(balance: float) -> None:
    """The score peaks at one set of settings; the length of a round must not matter."""
    asked = []

    def score(config: TrainConfig) -> float:
        settings = to_flat(config)
        asked.append(settings["optimisation.epochs"])
        far = abs(settings["score.temperature"] - 0.14) + abs(settings["loss.parameters.exponent"] - 1.06)
        return -far - abs(config.weighting.user_balance - balance)

    chosen = to_flat(best_settings(ids_only(items=50, interactions=100, dim=4), score))
    assert (chosen["score.temperature"], chosen["loss.parameters.exponent"]) == (0.14, 1.06)
    assert chosen["weighting.user_balance"] == balance
    assert asked == sorted(asked) and len(set(asked)) > 1
    assert chosen["optimisation.epochs"] > max(asked)
