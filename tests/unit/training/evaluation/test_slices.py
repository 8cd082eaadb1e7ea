"""Slices by field, beside plain loops over users and items."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.unit.training.evaluation.sizes import ITEMS
from training.evaluation import slices as module
from training.evaluation.evaluate import evaluate_systems
from training.evaluation.holdout import Holdout
from training.evaluation.slices import MISSING, FieldSlices, item_partition, user_partition

TOWNS, KINDS = ["york", None, "bath/avon", "a=b\nc"], ["food", "toys", "tools"]


@pytest.fixture(scope="module")
def world(holdout: Holdout, random_search):
    """Two systems on users of four towns, with items of three kinds."""
    towns = pl.Series([TOWNS[q % 4] for q in range(len(holdout.users_Q))])
    kinds = pl.Series([KINDS[n % 3] for n in range(ITEMS)])
    (users, town_count), (items, kind_count) = (
        user_partition("users.town", towns),
        item_partition("items.kind", kinds, holdout.relevant),
    )
    assert (town_count, kind_count) == (4, 3)
    slices = FieldSlices(users=(users,), items=(items,))
    systems = [("own", random_search), ("again", random_search)]
    measured = evaluate_systems(
        systems, holdout, corpora={"w": None}, ks=(20,), seed=0, reference="own", slices=slices
    )["w"]
    plain = evaluate_systems(systems, holdout, corpora={"w": None}, ks=(20,), seed=0, reference="own")["w"]
    return measured, plain


def lists_of(holdout: Holdout, random_search) -> np.ndarray:
    lists: np.ndarray = random_search()(np.arange(len(holdout.users_Q)), 20)
    return lists


@pytest.mark.parametrize(("n", "name"), [(0, "york"), (1, MISSING), (2, "bath/avon"), (3, r"a=b\nc")])
def test_a_value_of_users_is_their_mean(world, holdout: Holdout, random_search, n: int, name: str) -> None:
    measured, _ = world
    lists, relevant = lists_of(holdout, random_search), holdout.relevant.toarray().astype(bool)
    wanted = [relevant[q, lists[q]].sum() / relevant[q].sum() for q in range(n, len(lists), 4) if relevant[q].any()]
    each = measured["again"].comparisons[f"all/users.town={name}/recall@20"]
    assert (each.users, each.value, each.other) == (len(wanted), pytest.approx(np.mean(wanted)), each.value)
    assert measured["own"].users[f"all/users.town={name}"] == len(wanted)


@pytest.mark.parametrize(("n", "name"), list(enumerate(KINDS)))
def test_a_value_of_items_counts_the_relevant_items_of_that_value(
    world, holdout: Holdout, random_search, n: int, name: str
) -> None:
    measured, _ = world
    lists, relevant = lists_of(holdout, random_search), holdout.relevant.toarray().astype(bool)
    relevant[:, np.arange(ITEMS) % 3 != n] = False
    wanted = [relevant[q, lists[q]].sum() / relevant[q].sum() for q in range(len(lists)) if relevant[q].any()]
    each = measured["again"].comparisons[f"all/items.kind={name}/recall@20"]
    assert (each.users, each.value) == (len(wanted), pytest.approx(np.mean(wanted)))


def test_fields_change_nothing_else(world) -> None:
    """Their names hold whatever the data holds, which no store of metrics takes."""
    measured, plain = world
    for name, each in plain.items():
        assert measured[name].metrics == each.metrics
        assert measured[name].intervals == each.intervals
        assert each.comparisons.items() <= measured[name].comparisons.items()


def test_of_many_values_those_with_most_users_are_measured(monkeypatch: pytest.MonkeyPatch, holdout: Holdout) -> None:
    monkeypatch.setattr(module, "MAX_VALUES", 2)
    values = pl.Series(["rare", *["b"] * 5, *["a"] * 4, *["c"] * 5])
    partition, count = user_partition("users.x", values)
    assert (partition.names, count) == (("users.x=b", "users.x=c"), 4)
    assert partition.codes.tolist() == [-1, *[0] * 5, *[-1] * 4, *[1] * 5]
    # One user with many items of a value is one user; items that nobody takes are no value.
    relevant = holdout.relevant[:3].toarray()
    relevant[:] = 0
    relevant[0, :9], relevant[1, 9], relevant[2, 9] = 1, 1, 1
    kinds = pl.Series(["one"] * 9 + ["two"] + ["none"] * (ITEMS - 10))
    from scipy.sparse import csr_array

    partition, count = item_partition("items.k", kinds, csr_array(relevant))
    assert (partition.names, count) == (("items.k=one", "items.k=two"), 2)
    monkeypatch.setattr(module, "MAX_VALUES", 1)
    assert item_partition("items.k", kinds, csr_array(relevant))[0].names == ("items.k=two",)
