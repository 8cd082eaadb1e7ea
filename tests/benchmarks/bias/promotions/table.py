"""Table of the outcomes over seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.benchmarks.bias.promotions.answers import EXAMINATION
from tests.benchmarks.bias.promotions.home import Posted
from tests.benchmarks.bias.promotions.outcome import Outcome

HEADS = ("log", "recipe", "NDCG@5", "best 20", "diagnosis", "effect", "±", "correlation", "bias rule", "verdict")


def print_table(found: Mapping[tuple[str, str], Sequence[Outcome]], posted: Sequence[Posted]) -> None:
    """Print outcomes over seeds, the learned examination, and the cost.

    Args:
        found: outcomes by log and recipe.
        posted: cost of each posting; none where nothing was posted.
    """
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for names, runs in found.items():
        cells = [*names, _spread([run.ndcg for run in runs]), _spread([run.recall for run in runs])]
        cells += [_counts([run.diagnosis for run in runs])]
        for number in ("effect", "half_width", "correlation"):
            cells += [_spread([run.numbers[number] for run in runs if number in run.numbers], 2)]
        cells += [_counts([run.rule for run in runs]), _counts([run.verdict for run in runs])]
        print(f"| {' | '.join(cells)} |")
    print(f"\n| odds of a click, slot | {' | '.join(map(str, range(1, len(EXAMINATION) + 1)))} | largest error |")
    print(f"|---|{'---:|' * (len(EXAMINATION) + 1)}")
    planted = {run.looks: None for runs in found.values() for run in runs if run.error is not None}
    for looks in planted:
        print(f"| planted look | {' | '.join(f'{look:.2f}' for look in looks)} | |")
    for names, runs in found.items():
        learned = [run.examination for run in runs if run.error is not None]
        if learned:
            means = [sum(each) / len(learned) for each in zip(*learned, strict=True)]
            errors = _spread([run.error for run in runs if run.error is not None], 2)
            print(f"| {', '.join(names)} | {' | '.join(f'{mean:.2f}' for mean in means)} | {errors} |")
    seconds = [run.seconds for runs in found.values() for run in runs]
    print(f"\n{len(seconds)} trainings of {_spread(seconds, 0)} s of CPU")
    if posted:
        events, front = sum(each.events for each in posted), sum(each.server_seconds for each in posted)
        print(f"{events:,} events posted, {events / front:,.0f} for a second of the service's CPU")


def _spread(values: Sequence[float], digits: int = 3) -> str:
    """Least, mean and largest value."""
    if not values:
        return ""
    found = min(values), sum(values) / len(values), max(values)
    return " / ".join(f"{value:.{digits}f}" for value in (found if len(values) > 1 else found[:1]))


def _counts(texts: Sequence[str]) -> str:
    return ", ".join(text if count == len(texts) else f"{text} {count}×" for text, count in Counter(texts).items())
