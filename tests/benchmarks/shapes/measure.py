"""Default recipe and baselines on one shape, over seeds.

Legend: U users that are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import gatehouse as gh
import numpy as np

from tests.benchmarks.shapes.sources import MakeData
from training.baselines import CHEAP_BASELINES, Log, too_large
from training.evaluation import Evaluation
from training.evaluation.bootstrap import Interval, bootstrap_interval

TWO_TOWER = "two_tower"
SIMPLE = CHEAP_BASELINES
"""Baselines that only count: the default has to be at or above the best of them."""
STRONG = ("ease", "tifu_knn")
"""Baselines that the default should reach."""
VIEWS = ("all", "repeat", "discovery")
METRICS = ("recall@20", "ndcg@20")


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """Evaluations of one shape, one for each seed."""

    name: str
    """Name of the shape."""
    data: str
    """Sizes of the data of the first seed."""
    runs: tuple[Mapping[str, Evaluation], ...]
    """Evaluations by system, for each seed."""
    fixed: bool
    """Whether the data are the same for every seed, so that the users are, too."""

    @cached_property
    def systems(self) -> tuple[str, ...]:
        return tuple(self.runs[0])

    @cached_property
    def views(self) -> tuple[str, ...]:
        """Views with users in every run."""
        return tuple(view for view in VIEWS if all(f"{view}/recall@20" in run[TWO_TOWER].metrics for run in self.runs))

    def users(self, view: str) -> int:
        """Users that are compared."""
        sizes = [run[TWO_TOWER].users[view] for run in self.runs]
        return sizes[0] if self.fixed else sum(sizes)

    def mean(self, system: str, name: str) -> float:
        """Mean of a metric, such as all/recall@20, over the seeds."""
        return float(np.mean([run[system].metrics[name] for run in self.runs]))

    def best_simple(self, name: str) -> str:
        """Simple baseline with the highest mean of a metric."""
        return max(SIMPLE, key=lambda system: self.mean(system, name))

    def lead(self, system: str, name: str) -> Interval:
        """95 % interval of the default's lead in a metric, paired over users.

        The difference of a user is its mean over seeds where the data are fixed; users of different generated
        shops are different users.
        """
        parts = [run[TWO_TOWER].per_user[name] - run[system].per_user[name] for run in self.runs]
        return bootstrap_interval(np.mean(parts, axis=0) if self.fixed else np.concatenate(parts), seed=0)


def measure(name: str, make: MakeData, *, seeds: Sequence[int], fixed: bool) -> Shape:
    """Measure a shape with the default recipe.

    Args:
        name: name of the shape.
        make: makes the data of a seed.
        seeds: random seeds of the training, and of generated data.
        fixed: whether the data are the same for every seed.
    """
    runs = list(_runs(make, seeds))
    return Shape(name=name, data=runs[0][0], runs=tuple(run for _, run in runs), fixed=fixed)


def _runs(make: MakeData, seeds: Sequence[int]) -> Iterator[tuple[str, Mapping[str, Evaluation]]]:
    for seed in seeds:
        data = make(seed)
        before = Log.before(data.tables.events, data.users["user_id"], data.items["item_id"], data.split.cut)
        baselines = (*SIMPLE, *(each for each in STRONG if not too_large(each, before)))
        yield repr(data), gh.evaluate(gh.fit(data, seed=seed), data, baselines, seed=seed).systems
