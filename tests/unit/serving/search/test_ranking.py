"""Candidates by a matrix product, against a sort of all scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serving.search.ranking import PART_ROWS, by_product

FEW_VALUES = st.integers(-3, 3).map(np.float32)
"""Scores of which many are equal."""


@pytest.mark.parametrize("values", [FEW_VALUES, st.floats(-1, 1, width=32)])
def test_candidates_are_the_best_and_of_equal_ones_the_first(values: st.SearchStrategy[np.float32]) -> None:
    @given(st.data(), st.integers(1, 400), st.integers(1, 5))
    def check(data: st.DataObject, items: int, queries: int) -> None:
        scores_MQ = data.draw(arrays(np.float32, (items, queries), elements=values))
        count = data.draw(st.integers(1, items))
        rows_QC, scores_QC = by_product(np.eye(queries, dtype=np.float32), scores_MQ, None, count)
        order_QM = np.argsort(-scores_MQ.T, axis=1, kind="stable")
        assert np.array_equal(np.sort(rows_QC, axis=1), np.sort(order_QM[:, :count], axis=1))
        assert np.array_equal(scores_QC, np.take_along_axis(scores_MQ.T, rows_QC, axis=1))

    check()


@pytest.mark.parametrize("count", [1, 7, 20])
def test_the_best_of_each_part_and_the_last_rows_are_found(count: int) -> None:
    parts = 20
    scores_MQ = np.zeros((PART_ROWS * parts + 3, 1), np.float32)
    best = np.append(np.arange(count - 1), len(scores_MQ) - 1)
    scores_MQ[best, 0] = 1 + np.arange(count)
    rows_QC, _ = by_product(np.ones((1, 1), np.float32), scores_MQ, None, count)
    assert sorted(rows_QC[0]) == sorted(best)


def test_only_rows_that_may_be_found_are_candidates() -> None:
    scores_MQ = np.arange(300, dtype=np.float32)[:, None]
    rows_QC, _ = by_product(np.ones((1, 1), np.float32), scores_MQ, np.arange(0, 300, 3), 2)
    assert sorted(rows_QC[0]) == [294, 297]
