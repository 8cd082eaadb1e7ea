"""Error rates and power of the statistics of experiments, on drawn experiments.

python -m tests.benchmarks.bench_experiments
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from orchestration.experiments.report import report_of
from orchestration.experiments.text import report_text
from serving.experiments.statistics.anytime import anytime_interval
from serving.experiments.statistics.cuped import adjusted
from serving.experiments.statistics.estimate import Estimate, Interval, difference, power_of, relative_difference
from serving.experiments.statistics.means import mean
from serving.experiments.statistics.off_policy import doubly_robust, ips, snips
from serving.experiments.statistics.sample_ratio import sample_ratio
from tests.unit.orchestration.experiments.experiment_world import END, EXPERIMENT, world
from tests.unit.serving.experiments.statistics.bandit_world import TRUTH, draw

DAYS = 28
Drawn = Callable[[np.random.Generator, int], np.ndarray]


def sales(rng: np.random.Generator, users: int) -> np.ndarray:
    """Values of users of whom three in ten buy."""
    return rng.binomial(1, 0.3, users) * rng.lognormal(1.0, 0.7, users)


def steady(rng: np.random.Generator, users: int) -> np.ndarray:
    """Values with a standard deviation of half their mean."""
    return rng.gamma(4, 0.25, users)


def looks(drawn: Drawn, effect: float, daily: int, rng: np.random.Generator) -> list[Estimate]:
    """Relative differences after each day of an experiment with new users every day."""
    plain, other = drawn(rng, DAYS * daily), drawn(rng, DAYS * daily) * (1 + effect)
    ends = range(daily, DAYS * daily + 1, daily)
    return [relative_difference(mean(other[:end]), mean(plain[:end])) for end in ends]


def outside(interval: Interval) -> bool:
    return interval[0] > 0 or interval[1] < 0


def found(drawn: Drawn, effect: float, daily: int, experiments: int) -> tuple[float, float, float]:
    """Share found by the last look alone, by any look, and by any anytime-valid look."""
    rng, counts = np.random.default_rng(0), np.zeros(3)
    for _ in range(experiments):
        each = looks(drawn, effect, daily, rng)
        once = [outside(look.interval()) for look in each]
        anytime = any(outside(anytime_interval(look, tightest_at=2 * DAYS * daily)) for look in each)
        counts += (once[-1], any(once), anytime)
    last, any_once, any_time = counts / experiments
    return float(last), float(any_once), float(any_time)


def off_policy(worlds: int) -> Iterator[str]:
    rng = np.random.default_rng(0)
    drawn = [draw(600, rng) for _ in range(worlds)]
    methods = {
        "IPS": [ips(each.logged) for each in drawn],
        "SNIPS": [snips(each.logged) for each in drawn],
        "doubly robust": [doubly_robust(each.logged, each.shown_N, each.chosen_N) for each in drawn],
    }
    for name, estimates in methods.items():
        values = np.array([each.value for each in estimates])
        held = np.mean([low <= TRUTH <= high for low, high in (each.interval() for each in estimates)])
        bias, sure = values.mean() - TRUTH, 1.96 * values.std() / np.sqrt(worlds)
        yield f"{name}: truth {TRUTH:.4f}, bias {bias:+.4f} ± {sure:.4f}, error {values.std():.4f}, held {held:.1%}"


def cuped(correlation: float) -> float:
    """Variance that CUPED leaves, at a planted correlation."""
    rng = np.random.default_rng(0)
    before = [rng.normal(size=20_000) for _ in range(2)]
    outcomes = [correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=20_000) for x in before]
    better = adjusted(outcomes, before)
    assert better is not None
    return float((difference(*map(mean, better)).error / difference(*map(mean, outcomes)).error) ** 2)


def mismatch(users: int, experiments: int) -> float:
    """Share of experiments in which 51 to 49 is found instead of 50 to 50."""
    counts = np.random.default_rng(0).binomial(users, 0.51, experiments)
    tests = [sample_ratio({"a": int(count), "b": users - int(count)}, {"a": 0.5, "b": 0.5}) for count in counts]
    return float(np.mean([each.mismatch for each in tests]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=2_000, help="drawn experiments for each rate")
    number = parser.parse_args().experiments
    for name, drawn, effect, daily in (
        ("equal variants", sales, 0.0, 120),
        ("planted +3 %", steady, 0.03, 160),
    ):
        last, once, anytime = found(drawn, effect, daily, number)
        print(f"{name}: last look {last:.1%}, any of {DAYS} looks {once:.1%}, any anytime-valid look {anytime:.1%}")
    stated = power_of(0.03, 0.5 * 1.03 * np.sqrt(2 / (DAYS * 160)))
    print(f"stated power of the last look at +3 %: {stated:.1%}")
    for correlation in (0.3, 0.6, 0.9):
        print(f"CUPED at correlation {correlation}: {cuped(correlation):.1%} of the variance left")
    for users in (5_000, 20_000, 50_000):
        print(f"51 to 49 found among {users:,} users: {mismatch(users, number):.1%}")
    print("\n".join(off_policy(number)))
    print(report_text(report_of(EXPERIMENT, world().exposures, world().outcomes, END)))


if __name__ == "__main__":
    main()
