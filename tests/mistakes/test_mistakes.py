"""Mistakes in the release and in the glue between packages: each is noticed by its named test.

Those whose tests have real services or wait take minutes in all: `pytest -m slow tests/mistakes`.
"""

from __future__ import annotations

import pytest

from tests.mistakes.in_automation import IN_AUTOMATION
from tests.mistakes.in_bias import IN_BIAS
from tests.mistakes.in_buckets import IN_BUCKETS
from tests.mistakes.in_cleaning import IN_CLEANING
from tests.mistakes.in_consumer import IN_CONSUMER
from tests.mistakes.in_data import IN_DATA
from tests.mistakes.in_encoding import IN_ENCODING
from tests.mistakes.in_events import IN_EVENTS
from tests.mistakes.in_experiments import IN_EXPERIMENTS
from tests.mistakes.in_exploration import IN_EXPLORATION
from tests.mistakes.in_forgetting import IN_FORGETTING
from tests.mistakes.in_freshness import IN_FRESHNESS
from tests.mistakes.in_gate import IN_GATE
from tests.mistakes.in_gate_groups import IN_GATE_GROUPS
from tests.mistakes.in_history import IN_HISTORY
from tests.mistakes.in_impressions import IN_IMPRESSIONS
from tests.mistakes.in_items import IN_ITEMS
from tests.mistakes.in_judgement import IN_JUDGEMENT
from tests.mistakes.in_kafka import IN_KAFKA
from tests.mistakes.in_moments import IN_MOMENTS
from tests.mistakes.in_ranking import IN_RANKING
from tests.mistakes.in_refits import IN_REFITS
from tests.mistakes.in_release import IN_RELEASE
from tests.mistakes.in_runs import IN_RUNS
from tests.mistakes.in_search import IN_SEARCH
from tests.mistakes.in_service import IN_SERVICE
from tests.mistakes.in_serving import IN_SERVING
from tests.mistakes.in_survival import IN_SURVIVAL
from tests.mistakes.in_variants import IN_VARIANTS
from tests.mistakes.mistake import Mistake
from tests.mistakes.named_test import check

MISTAKES = [
    *IN_AUTOMATION,
    *IN_BIAS,
    *IN_BUCKETS,
    *IN_CLEANING,
    *IN_DATA,
    *IN_ENCODING,
    *IN_CONSUMER,
    *IN_EVENTS,
    *IN_EXPERIMENTS,
    *IN_EXPLORATION,
    *IN_FORGETTING,
    *IN_FRESHNESS,
    *IN_GATE,
    *IN_GATE_GROUPS,
    *IN_HISTORY,
    *IN_IMPRESSIONS,
    *IN_ITEMS,
    *IN_JUDGEMENT,
    *IN_KAFKA,
    *IN_MOMENTS,
    *IN_RANKING,
    *IN_REFITS,
    *IN_RELEASE,
    *IN_RUNS,
    *IN_SEARCH,
    *IN_SERVICE,
    *IN_SERVING,
    *IN_SURVIVAL,
    *IN_VARIANTS,
]
WAITING = (
    "tests/unit/feature_repo/events/test_kafka_log.py",
    "tests/unit/orchestration/test_killed.py",
    "tests/unit/orchestration/test_run_locks.py",
    "tests/unit/serving/http/test_batcher.py",
    "tests/unit/serving/http/test_consumer_watch.py",
    "tests/unit/serving/http/test_events.py",
    "tests/unit/serving/http/test_supervisor.py",
)
"""Unit tests that start a broker, a service or a process, or wait for one: seconds for each mistake."""
UNIT = [each for each in MISTAKES if str(each.test).startswith("tests/unit/")]
CHEAP = [each for each in UNIT if not str(each.test).startswith(WAITING)]
COSTLY = [each for each in MISTAKES if each not in CHEAP]


@pytest.mark.parametrize("mistake", CHEAP, ids=lambda mistake: mistake.name)
def test_a_mistake_is_noticed(mistake: Mistake) -> None:
    check(mistake, CHEAP)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", COSTLY, ids=lambda mistake: mistake.name)
def test_a_mistake_is_noticed_with_real_services(mistake: Mistake) -> None:
    check(mistake, COSTLY)


def test_there_are_sixty_and_each_has_a_name_of_its_own() -> None:
    assert len({each.name for each in MISTAKES}) == len(MISTAKES) >= 60


@pytest.mark.parametrize("instead", ["if True:", "if undefined:"])
def test_a_mistake_that_nobody_notices_or_that_is_badly_written_is_none(instead: str) -> None:
    """The last one is a check of the checks: a test that always fails notices everything."""
    right = "if share > MAX_FUTURE_SHARE:"
    test = "tests/unit/feature_repo/datasets/test_clock.py::test_more_than_the_usual_share_is_refused"
    module = "feature_repo.datasets.clock"
    mistake = Mistake(name=instead, module=module, right=right, wrong=instead, test=test)
    with pytest.raises(AssertionError):
        check(mistake, [mistake])
