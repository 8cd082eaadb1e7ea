"""Exposures: one record, its JSON, and the probability of an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from serving.experiments.exposure import Exposure, compare_answers
from tests.unit.serving.experiments.definitions import experiment, with_shadow

EXPOSURE = Exposure(
    experiment="test",
    variant="interleaved",
    propensity=1.0,
    user_id="ü",
    request_id="r1",
    timestamp=datetime(2026, 6, 1, 12, 0, 0, 5),
    items=("1", "2"),
    teams=("a", None),
    answer_propensity=0.25,
    agreeing=("shadow",),
)


def test_json_gives_the_same_record() -> None:
    assert Exposure.from_json(EXPOSURE.to_json()) == EXPOSURE


def test_a_record_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="propensity of request r1 is 0; wanted above 0"):
        replace(EXPOSURE, propensity=0)
    with pytest.raises(ValueError, match=r"answer_propensity of request r1 is 1\.5"):
        replace(EXPOSURE, answer_propensity=1.5)
    with pytest.raises(ValueError, match="2 items and 1 teams"):
        replace(EXPOSURE, teams=("a",))
    with pytest.raises(ValueError, match="UTC without a zone"):
        replace(EXPOSURE, timestamp=datetime(2026, 6, 1, tzinfo=UTC))
    raw = json.loads(EXPOSURE.to_json())
    del raw["items"]
    with pytest.raises(ValueError, match="exposure with keys"):
        Exposure.from_json(json.dumps(raw))


def test_the_probability_of_an_answer_is_that_of_all_variants_that_agree() -> None:
    found = with_shadow(experiment(1, 2, 1), "shadow")
    answers = {"a": ["1", "2"], "b": ["1", "2"], "c": ["2", "1"], "shadow": ["2", "1"]}
    assert compare_answers(found, ["1", "2"], answers) == (0.75, ())
    assert compare_answers(found, ["2", "1"], answers) == (0.25, ("shadow",))
    with pytest.raises(ValueError, match="no variant of test gave"):
        compare_answers(found, ["3"], answers)
    with pytest.raises(ValueError, match="no answer of shadow"):
        compare_answers(found, ["1", "2"], {name: answers[name] for name in "abc"})


def test_an_answer_that_all_variants_give_has_probability_one_whatever_the_weights() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2_000):
        found = experiment(*rng.uniform(0.1, 1, 8))
        propensity, _ = compare_answers(found, ["1"], dict.fromkeys(found.propensities, ("1",)))
        assert 1 - 1e-9 < propensity <= 1  # an exposure takes no more
