"""Speed of the gate's bootstrap, and its error rates and power on drawn users; or moves; or a year of nights.

python -m tests.benchmarks.bench_release [--worlds N | --moves N | --nights N]

Kills are counted by `python -m tests.benchmarks.bench_crashes`, the days of a replay by `gatehouse replay`.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from serving.gate.comparison import Comparison
from serving.gate.policy import CHAMPION, Kind, Rule, Undecided
from serving.gate.power import pass_probability
from serving.gate.verdict import Outcome
from tests.unit.orchestration.gate_world import METRIC, Pair, verdict_on
from training.evaluation.bootstrap import SAMPLES, UserGroup, resampled_group_means
from training.evaluation.comparison import compare

METRICS, SLICES, USERS = 5, 10, 100_000
LEVEL, MARGIN = 0.95, 0.02
HOLDOUTS = (169, 1_000, 2_469, 10_000)
"""Users of the hold-outs; 2,469 are the households of the default dataset."""
LOSSES = (0.0, 0.02, 0.04, 0.1)
AHEAD = Rule(kind=Kind.SUPERIORITY, against=CHAMPION, metrics=(METRIC,))
PROVEN = Rule(kind=Kind.NON_INFERIORITY, against=CHAMPION, metrics=(METRIC,), margin=MARGIN)
SHIPPED = replace(PROVEN, undecided=Undecided.ESTIMATE)
HEADS = (
    "users", "visible loss", "true loss", "ahead: passed", "proven: passed", "undecided", "failed",
    "passed by formula", "shipped: passed", "by formula", "difference alone: passed",
)  # fmt: skip


def bootstrap_seconds(seed: int) -> tuple[float, float]:
    """Time of all comparisons of two systems, by the clock and of the CPU.

    They are 5 metrics in 10 slices, by 1,000 resamples.
    """
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.choice(USERS, USERS // (1 + each), replace=False)) for each in range(SLICES)]
    groups = [UserGroup(values_GM=rng.random((len(each), 2 * METRICS)), rows_G=each) for each in rows]
    start = time.perf_counter(), time.process_time()
    means = resampled_group_means(groups, USERS, seed=seed, samples=SAMPLES)
    for group, means_S in zip(groups, means, strict=True):
        halves = [np.split(part, 2, axis=1) for part in (group.values_GM, means_S)]
        compare(*halves[0], *halves[1])
    return time.perf_counter() - start[0], time.process_time() - start[1]


def drawn(users: int, loss: float, worlds: int) -> list[Comparison]:
    """Comparisons of challengers that lose a share of their hits, with users drawn anew.

    Args:
        users: users of each hold-out.
        loss: expected share of the hits that is lost.
        worlds: number of challengers.
    """
    rng = np.random.default_rng(users + round(1_000 * loss))
    return [Pair.draw(rng, users, loss).compared(seed=seed, samples=SAMPLES)[0] for seed in range(worlds)]


def shares(rule: Rule, compared: Sequence[Comparison]) -> dict[Outcome, float]:
    """Shares of the outcomes of one rule."""
    counts = Counter(verdict_on([each], rule).outcome for each in compared)
    return {outcome: counts[outcome] / len(compared) for outcome in Outcome}


def rows(worlds: int) -> Iterator[str]:
    """Lines of the table.

    Args:
        worlds: challengers for each line.
    """
    for users in HOLDOUTS:
        for loss in LOSSES:
            compared = drawn(users, loss, worlds)
            visible = np.mean([each.visible_loss(LEVEL) for each in compared])
            proven = shares(PROVEN, compared)
            cells = [
                shares(AHEAD, compared)[Outcome.PASSED],
                *(proven[each] for each in (Outcome.PASSED, Outcome.UNDECIDED, Outcome.FAILED)),
                expected(PROVEN, compared, loss),
                shares(SHIPPED, compared)[Outcome.PASSED],
                expected(SHIPPED, compared, loss),
                np.mean([each.effect >= -MARGIN for each in compared]),
            ]
            yield f"| {users:,} | {visible:.1%} | {loss:.0%} | {' | '.join(f'{cell:.1%}' for cell in cells)} |"


def expected(rule: Rule, compared: Sequence[Comparison], loss: float) -> float:
    """Share that passes by the formula that the gate shows.

    Args:
        rule: the rule.
        compared: comparisons, for their standard errors.
        loss: true loss.
    """
    return float(np.mean([pass_probability(rule, each, LEVEL, -loss) for each in compared]))


def print_nights(number: int) -> None:
    """Print what a home is like after each tenth of the nights."""
    from tests.benchmarks.nights import COLUMNS, nights

    print(f"| {' | '.join(COLUMNS)} |\n|{'---:|' * len(COLUMNS)}")
    for each in nights(number, max(number // 10, 1)):
        print(f"| {' | '.join(each.cells())} |", flush=True)


def print_moves(number: int) -> None:
    """Print the seconds of so many promotions and rollbacks."""
    from tests.benchmarks.moves import COLUMNS, moves

    print(f"| {' | '.join(COLUMNS)} |\n|---|{'---:|' * (len(COLUMNS) - 1)}")
    for each in moves(number):
        print(f"| {' | '.join(each.cells())} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=400, help="challengers for each line")
    parser.add_argument("--moves", type=int, help="time so many promotions and rollbacks instead")
    parser.add_argument("--nights", type=int, help="live through so many nights instead")
    asked = parser.parse_args()
    if asked.nights:
        print_nights(asked.nights)
        return
    if asked.moves:
        print_moves(asked.moves)
        return
    worlds = asked.worlds
    clock, cpu = min(bootstrap_seconds(seed) for seed in range(3))
    print(f"Bootstrap of {METRICS} metrics x {SLICES} slices x {SAMPLES:,} resamples on {USERS:,} users,")
    print(f"two systems: {clock:.1f} s by the clock, {cpu:.1f} s of CPU\n")
    print(f"{worlds} challengers a line; margin {MARGIN:.0%}, level {LEVEL:.0%}\n")
    print(f"| {' | '.join(HEADS)} |\n|{'---:|' * len(HEADS)}")
    for line in rows(worlds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
