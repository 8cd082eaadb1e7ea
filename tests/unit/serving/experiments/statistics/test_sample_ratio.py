"""Sample-ratio mismatch: found where users are missing, rarely else."""

from __future__ import annotations

import numpy as np
import pytest

from serving.experiments.statistics.sample_ratio import sample_ratio

EVEN = {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(("users", "found"), [(1_000, False), (100_000, True)])
def test_51_to_49_is_found_with_enough_users(users: int, found: bool) -> None:
    counts = {"a": users * 51 // 100, "b": users * 49 // 100}
    assert sample_ratio(counts, EVEN).mismatch is found


def test_p_is_uniform_where_the_weights_are_kept() -> None:
    shares = {"a": 0.2, "b": 0.3, "c": 0.5}
    drawn = np.random.default_rng(0).multinomial(5_000, list(shares.values()), size=600)
    ps = [sample_ratio(dict(zip(shares, counts.tolist(), strict=True)), shares).p or 0.0 for counts in drawn]
    assert np.mean(np.array(ps) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(ps) < 0.5) == pytest.approx(0.5, abs=0.07)


def test_the_weights_are_what_is_expected_and_a_variant_without_users_counts() -> None:
    assert not sample_ratio({"a": 9_000, "b": 1_000}, {"a": 0.9, "b": 0.1}).mismatch
    assert sample_ratio({"a": 9_000, "b": 1_000}, EVEN).mismatch
    found = sample_ratio({"a": 100}, EVEN)
    assert found.users == {"a": 100, "b": 0} and found.mismatch


def test_few_users_have_no_test() -> None:
    found = sample_ratio({"a": 9, "b": 0}, EVEN)
    assert found.p is None and not found.mismatch
