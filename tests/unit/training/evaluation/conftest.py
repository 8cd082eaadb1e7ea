"""A hold-out and a random search of it, shared by the tests of evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.evaluation.sizes import DIM, ITEMS, USERS
from training.evaluation.holdout import Holdout
from training.retrieval.exact import exact_search


@pytest.fixture(scope="module")
def holdout() -> Holdout:
    """Skewed popularity, users from none to many interactions, some bought again."""
    rng = np.random.default_rng(1)
    popularity = 1 / np.arange(1, ITEMS + 1)
    before = (
        np.sort(rng.choice(USERS, 6000, p=(w := rng.exponential(size=USERS)) / w.sum())),
        rng.choice(ITEMS - 20, 6000, p=popularity[:-20] / popularity[:-20].sum()),
    )
    after = (rng.integers(0, USERS, 3000), rng.choice(ITEMS, 3000, p=popularity / popularity.sum()))
    return Holdout.from_interactions(before=before, after=after, items=ITEMS, seen_items_may_return=True)


@pytest.fixture(scope="module")
def random_search(holdout: Holdout):
    rng = np.random.default_rng(2)
    users, items = rng.normal(size=(len(holdout.users_Q), DIM)), rng.normal(size=(ITEMS, DIM))
    return exact_search(users, items)
