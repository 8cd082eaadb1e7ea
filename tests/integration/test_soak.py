"""A service whose online store, disk, engine and consumer break under load: nothing is lost, and nothing unsaid."""

from __future__ import annotations

import pytest

from tests.benchmarks.bench_soak import report, soak, world
from tests.benchmarks.service.clients import DEGRADED, REFUSED
from tests.benchmarks.service.memory import slope
from tests.integration.online_servers import client_of

pytestmark = pytest.mark.timeout(300)


@pytest.mark.slow
def test_twenty_seconds_of_faults_lose_nothing_and_leave_no_answer_unflagged() -> None:
    client_of("redis")
    with world() as (served, redis):
        found = soak(served, redis, rate=40, events=20, seconds=20, every=5, lasting=2, warm=5)
        deaths = [served.metric(f"gatehouse_{part}_deaths_total") for part in ("engine", "consumer")]
    said = report(found)
    assert (found.readers.outcomes.errors, found.writers.outcomes.errors) == ([], []), said
    assert (found.lost, found.wrong, found.writers.waiting, found.problems) == (0, 0, 0, {}), said
    assert deaths == [1, 1]
    assert len(found.broken) == 4
    effects = {name: (begin, until) for name, begin, _, until in found.broken}
    readers, writers = found.readers.outcomes, found.writers.outcomes
    assert readers.between(*effects["Redis killed"])[DEGRADED] > 0, said
    assert readers.between(*effects["engine killed"])[DEGRADED] > 0, said
    (full,) = (times for name, times in effects.items() if name.startswith("log's disk full"))
    assert writers.between(*full)[REFUSED] > 0, said


def test_the_slope_of_memory_ignores_the_level_of_each_process() -> None:
    first = [(1, float(second), 100 + 0.5 * second) for second in range(60)]
    second = [(2, float(second), 900 + 0.5 * second) for second in range(60, 90)]
    assert slope(first + second) == pytest.approx(0.5)
    assert slope([(1, 0.0, 5.0)]) == 0.0
