"""Bounds of measures: each can fail, and nothing unmeasured passes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from serving.gate.policy_file import read_policy
from serving.gate.sanity import MEASURES, Bounds, judge_sanity, read_bounds
from serving.gate.verdict import Outcome
from training.evaluation.sanity import embedding_measures, list_measures

BOUNDS = {"coverage": Bounds(at_least=0.1), "item_cosine": Bounds(at_least=-0.5, at_most=0.9)}
SHIPPED = read_policy().sanity


@pytest.mark.parametrize(
    ("measures", "outcome", "text"),
    [
        ({"coverage": 0.1, "item_cosine": 0.9}, Outcome.PASSED, "coverage 0.1 (at least 0.1), item_cosine 0.9 ("),
        ({"coverage": 0.09, "item_cosine": 0.9}, Outcome.FAILED, "coverage 0.09 is not at least 0.1"),
        ({"coverage": 0.1, "item_cosine": 0.91}, Outcome.FAILED, "item_cosine 0.91 is not at least -0.5 and at most"),
        ({"coverage": 0.1, "item_cosine": -0.6}, Outcome.FAILED, "item_cosine -0.6 is not at least -0.5"),
        ({"coverage": 0.1}, Outcome.UNDECIDED, "item_cosine not measured"),
        ({"coverage": 0.1, "item_cosine": math.nan}, Outcome.UNDECIDED, "item_cosine nan"),
        ({"coverage": 0.0, "item_cosine": math.nan}, Outcome.FAILED, "coverage 0 is not"),
        ({"coverage": 0.1, "item_cosine": None}, Outcome.PASSED, "item_cosine not defined for this data"),
        (None, Outcome.UNDECIDED, "coverage not measured"),
    ],
)
def test_every_bound_decides(measures: dict[str, float | None] | None, outcome: Outcome, text: str) -> None:
    judged = judge_sanity(measures, BOUNDS)
    assert (judged.outcome, judged.text.startswith("sanity: ")) == (outcome, True)
    assert text in judged.text


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"covrage": {"at_least": 1}}, "unknown measure covrage; known are coverage"),
        ({"coverage": 0.1}, "coverage is 0.1, wanted at_least, at_most or both"),
        ({"coverage": {}}, "wanted at_least"),
        ({"coverage": {"least": 1}}, "wanted at_least"),
        ({"coverage": {"at_least": True}}, "wanted at_least"),
        ({"coverage": {"at_most": math.nan}}, "wanted at_least"),
        ([], "sanity is \\[\\], wanted bounds by measure"),
    ],
)
def test_bounds_that_cannot_be_used_are_refused(raw: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_bounds(raw)


def test_the_measures_of_a_policy_are_those_of_an_evaluation() -> None:
    found = list_measures(np.zeros((3, 1), np.int32), np.arange(2)) | embedding_measures(np.eye(3), np.eye(2))
    assert tuple(found) == MEASURES


def world(
    *, collapsed: bool = False, flat: bool = False, same: bool = False, broken: bool = False
) -> dict[str, float | None]:
    """Users of a few tastes, and their nearest items."""
    rng = np.random.default_rng(0)
    tastes_TD = rng.normal(size=(5, 16))
    user_QD, item_ND = (tastes_TD[np.arange(n) % 5] + 0.5 * rng.normal(size=(n, 16)) for n in (200, 400))
    if collapsed:
        user_QD, item_ND = (0.02 * each + np.ones(16) for each in (user_QD, item_ND))
    if flat:  # along one line, to both of its sides
        user_QD, item_ND = (np.sign(each[:, :1]) * np.ones(16) for each in (user_QD, item_ND))
    lists_QK = np.argsort(-(user_QD @ item_ND.T), axis=1)[:, :20].astype(np.int32)
    if broken:
        item_ND[7] = 0.0
    if same:
        lists_QK[:] = lists_QK[0]
    return list_measures(lists_QK, rng.integers(1, 9, 400)) | embedding_measures(user_QD, item_ND)


def test_the_shipped_bounds_stop_what_is_broken_alone() -> None:
    assert judge_sanity(world(), SHIPPED).outcome is Outcome.PASSED
    for broken, named in (
        ({"collapsed": True}, "item_cosine"),
        ({"flat": True}, "user_rank"),
        ({"flat": True}, "item_rank"),
        ({"same": True}, "list_similarity"),
        ({"broken": True}, "item_unusable"),
    ):
        judged = judge_sanity(world(**broken), SHIPPED)
        assert judged.outcome is Outcome.FAILED
        assert f"{named} {world(**broken)[named]:.3g} is not" in judged.text


def test_lists_as_long_as_the_corpus_are_no_fault() -> None:
    """Everybody gets all items."""
    lists_QK = np.tile(np.arange(20, dtype=np.int32), (30, 1))
    measures = list_measures(lists_QK, np.arange(20)) | embedding_measures(np.eye(30), np.eye(20))
    assert measures["list_similarity"] is measures["popularity_correlation"] is None
    assert judge_sanity(measures, SHIPPED).outcome is Outcome.PASSED
