"""Automatic choice between recipes on the validation window, within a budget.

One switch after the other is tried on the best recipe so far, cheapest first. The first
trial is that of the base recipe, which any training needs for its number of epochs.
Nothing here knows the hold-out: what a trial measures is the caller's affair.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from training.recipes.config import TrainConfig
from training.recipes.named import SALES
from training.recipes.sampling import Corpus, InBatch, Negatives

CHOICE_SECONDS = 30.0
"""Default budget of all trials together, the base's included."""
LEAST_GAIN = 0.02
"""Relative gain in score that a switch must bring. Validation windows have hundreds of
users, so that smaller gains are as often noise."""
PROBE_EPOCHS = 3
"""Epochs after which a trial ends unless it leads the best one at the same epoch."""
SMALL_CORPUS = 5_000
"""Most items of a corpus for which the whole-corpus softmax is tried."""
BASE = "base"
"""Name of the first trial."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Measured trial of a recipe."""

    score: float
    """Validation score of its best epoch; higher is better."""
    epochs: int
    """Epochs that it had."""
    seconds: float
    """Time that it took."""
    problem: str | None = None
    """Reason why it failed, if so."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """Switch that was tried, or left out for want of time."""

    name: str
    """BASE, or a name of SWITCHES."""
    score: float | None
    """Validation score; None if the budget left no time, or the trial failed."""
    gain: float | None
    """Relative gain over the best recipe before it; None for the base."""
    taken: bool
    """Whether the recipe has it now."""
    epochs: int
    """Epochs of the trial; few where it was behind."""
    seconds: float
    """Time of the trial."""
    problem: str | None = None
    """Reason why the trial failed, if so."""


TryRecipe = Callable[[str, TrainConfig, float], Trial]
"""Trains and measures a recipe under a name, for so many seconds at most."""
Switch = Callable[[TrainConfig, int], TrainConfig | None]
"""Recipe with one thing changed, for a corpus of so many items; None where it does not apply."""


def without_history(config: TrainConfig, items: int) -> TrainConfig | None:
    """Recipe whose user tower does not read the history; a repeat head needs it."""
    if config.repeat or "history" in config.leave_out:
        return None
    return replace(config, leave_out=(*config.leave_out, "history"))


def with_statistics(config: TrainConfig, items: int) -> TrainConfig | None:
    """Recipe with item statistics, for which all negatives come from the batch."""
    # Only they have the statistics of a time at which they sell; a repeat head compares
    # items of one time, so it excludes statistics.
    if config.repeat or not set(SALES) & set(config.leave_out):
        return None
    left_out = tuple(name for name in config.leave_out if name not in SALES)
    return replace(config, leave_out=left_out, negatives=Negatives(sampler=InBatch()))


def with_user_id(config: TrainConfig, items: int) -> TrainConfig | None:
    """Recipe with a vector of its own for every user of the training part."""
    return None if config.tower.user_id else replace(config, tower=replace(config.tower, user_id=True))


def whole_corpus(config: TrainConfig, items: int) -> TrainConfig | None:
    """Recipe with the softmax over the whole corpus, where that is small."""
    # Drawn or listed, all negatives have the features of one time.
    if items > SMALL_CORPUS or config.whole_corpus or not set(SALES) <= set(config.leave_out):
        return None
    return replace(config, negatives=Negatives(sampler=Corpus()))


SWITCHES: Mapping[str, Switch] = {
    "statistics": with_statistics,
    "no history": without_history,
    "user id": with_user_id,
    "whole corpus": whole_corpus,
}
"""Switches by name, cheapest first."""


def choose(
    base: TrainConfig,
    trial: TryRecipe,
    *,
    items: int,
    seconds: float,
    switches: Mapping[str, Switch] = SWITCHES,
) -> tuple[TrainConfig, tuple[Tried, ...]]:
    """Choose a recipe greedily: keep each switch that gains LEAST_GAIN or more.

    A switch is tried only if the budget has room for PROBE_EPOCHS as long as the
    slowest so far. The base is always tried, and as long as it takes.

    Args:
        base: recipe to start from.
        trial: trains and measures a recipe.
        items: size of the corpus.
        seconds: budget of all trials together.
        switches: switches by name, in the order in which they are tried.

    Returns:
        The best recipe, and what was tried, in order.
    """
    first = trial(BASE, base, math.inf)
    best, top, spent, slowest = base, first.score, first.seconds, first.seconds / first.epochs
    tried = [Tried(name=BASE, score=top, gain=None, taken=True, epochs=first.epochs, seconds=spent)]
    for name, switch in switches.items():
        config = switch(best, items)
        if config is None:
            continue
        if spent + PROBE_EPOCHS * slowest > seconds:
            tried.append(Tried(name=name, score=None, gain=None, taken=False, epochs=0, seconds=0.0))
            continue
        found = trial(name, config, seconds - spent)
        spent, slowest = spent + found.seconds, max(slowest, found.seconds / max(found.epochs, 1))
        if found.problem:
            failed = Tried(name=name, score=None, gain=None, taken=False, epochs=found.epochs, seconds=found.seconds)
            tried.append(replace(failed, problem=found.problem))
            continue
        gain = found.score / max(top, 1e-12) - 1
        taken = gain >= LEAST_GAIN
        tried.append(
            Tried(name=name, score=found.score, gain=gain, taken=taken, epochs=found.epochs, seconds=found.seconds)
        )
        if taken:
            best, top = config, found.score
    return best, tuple(tried)


def choice_lines(tried: tuple[Tried, ...]) -> list[str]:
    """Sentences for people on what was tried on the validation window."""
    return [_line(each) for each in tried]


def _line(each: Tried) -> str:
    if each.problem:
        return f"{each.name}: left out, the trial failed: {each.problem}"
    if each.score is None:
        return f"{each.name}: not tried, the budget was spent"
    if each.gain is None:
        return f"{each.name}: score {each.score:.4f} on the validation window, {_cost(each)}"
    outcome = "taken" if each.taken else "left out"
    return f"{each.name}: {outcome}, score {each.score:.4f} ({each.gain:+.1%}), {_cost(each)}"


def _cost(each: Tried) -> str:
    if not each.epochs:  # learned beside towers that are there
        return f"{each.seconds:.0f} s"
    return f"{each.epochs} epoch{'s' if each.epochs > 1 else ''} in {each.seconds:.0f} s"
