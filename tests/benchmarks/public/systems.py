"""Two-tower and baselines: settings chosen on one part, measured on another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from feature_repo.schema import ITEM_ID
from tests.benchmarks.public.data import Part
from training.baselines import Log, als, baseline_search, ease, popularity
from training.evaluation.holdout import Holdout
from training.evaluation.metrics import is_relevant, ndcg_at_k, recall_at_k
from training.fit_untimed import fit_untimed
from training.recipes import TrainConfig
from training.recipes.serialization import to_flat
from training.recipes.untimed import best_inputs, best_settings, ids_only, with_inputs, with_settings
from training.retrieval.exact import MakeSearch, Scores, exact_search
from training.towers import TwoTower, embed

K = 20
EASE_ITEMS = 20_000
"""Largest side of the matrix that EASE inverts: users or items, whichever are fewer."""


@dataclass
class Result:
    """Metrics of one system over the seeds."""

    system: str
    """Name of the system."""
    recall: list[float] = field(default_factory=list)
    """Recall@20 of each seed."""
    ndcg: list[float] = field(default_factory=list)
    """NDCG@20 of each seed."""
    seconds: float = 0.0
    """Seconds of all seeds."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings."""

    def as_json(self) -> dict[str, Any]:
        means = {f"recall@{K}": float(np.mean(self.recall)), f"ndcg@{K}": float(np.mean(self.ndcg))}
        each = [[round(value, 5) for value in pair] for pair in zip(self.recall, self.ndcg, strict=True)]
        return {**means, "of_seeds": each, "seconds": round(self.seconds, 1), "settings": self.settings}


def measure(make_search: MakeSearch, holdout: Holdout) -> tuple[float, float]:
    """Recall@20 and NDCG@20, means over users.

    The denominator of recall is |relevant|. The ideal of NDCG has min(|relevant|, 20)
    hits.
    """
    relevant = holdout.relevant
    search = make_search(exclude=holdout.seen)
    hits_QK = is_relevant(search(np.arange(relevant.shape[0]), K), relevant)
    counts_Q = np.diff(relevant.indptr)
    return float(recall_at_k(hits_QK, counts_Q, K).mean()), float(ndcg_at_k(hits_QK, counts_Q, K).mean())


def tower_search(model: TwoTower, part: Part) -> MakeSearch:
    user_QD = embed(model.user, part.pairs.users)[part.holdout.users_Q]
    return exact_search(user_QD, embed(model.item, part.pairs.item_N))


def choose(
    recipe: str,
    part: Part,
    *,
    dim: int,
    device: str,
    settings: tuple[float, float, float] | None = None,
    show: Callable[[str], None] = lambda line: None,
) -> TrainConfig:
    """Recipe with the best settings on the validation part.

    Args:
        recipe: name in INPUTS, or "pairs" for the best of them.
        part: validation part.
        dim: dimension of the embeddings.
        device: torch device.
        settings: temperature, exponent and balance; None to choose them.
        show: called with a line for each training.
    """

    def score(config: TrainConfig) -> float:
        model, _ = fit_untimed(part.pairs, config, seed=0, device=device)
        recall, ndcg = measure(tower_search(model, part), part.holdout)
        show(f"  validation {recall:.4f} {ndcg:.4f}  {described(config)}")
        return recall + ndcg

    pairs = part.pairs
    base = ids_only(items=len(pairs.item_N[ITEM_ID]), interactions=len(pairs.user_I), dim=dim)
    base = with_settings(base, *settings) if settings else best_settings(base, score)
    if recipe != "pairs":
        return with_inputs(base, recipe)
    features = bool(pairs.user_encoder.features or pairs.item_encoder.features)
    return best_inputs(base, score, features=features)


def described(config: TrainConfig) -> str:
    """Chosen settings in a few words."""
    flat = to_flat(config)
    inputs = [name for name, there in (("history", not config.leave_out), ("features", config.tower.item)) if there]
    return (
        f"temperature {flat['score.temperature']}, exponent {flat['loss.parameters.exponent']}, "
        f"balance {config.weighting.user_balance}, {config.optimisation.epochs} epochs, ids {' '.join(inputs)}"
    ).strip()


def run_recipe(recipe: str, final: Part, config: TrainConfig, *, seeds: int, device: str) -> Result:
    """Metrics of a recipe: trained on all of train, measured once for every seed.

    Args:
        recipe: its name.
        final: part that is reported.
        config: the recipe.
        seeds: number of seeds.
        device: torch device.
    """
    start = time.perf_counter()
    result = Result(f"two_tower {recipe}", settings=to_flat(config))
    for seed in range(seeds):
        model, _ = fit_untimed(final.pairs, config, seed=seed, device=device)
        recall, ndcg = measure(tower_search(model, final), final.holdout)
        result.recall.append(recall)
        result.ndcg.append(ndcg)
    result.seconds = time.perf_counter() - start
    return result


def run_baselines(validation: Part, final: Part) -> list[Result]:
    """Metrics of popularity, ALS and, if its matrix fits, EASE.

    A few settings of each are compared on the validation part.
    """
    options: dict[str, list[tuple[dict[str, Any], Callable[[Log], Scores]]]] = {
        "popularity": [({}, popularity)],
        "als": [
            ({"regularization": strength, "alpha": alpha}, partial(als, seed=0, regularization=strength, alpha=alpha))
            for strength in (1.0, 10.0)
            for alpha in (1.0, 10.0)
        ],
        "ease": [({"strength": each}, partial(ease, regularization=each)) for each in (100.0, 300.0, 1000.0)],
    }
    results = []
    for name, settings in options.items():
        if name == "ease" and min(final.log.users, final.log.items) > EASE_ITEMS:
            continue
        start = time.perf_counter()
        scores = [sum(measure_baseline(fit, validation)) if settings[1:] else 0.0 for _, fit in settings]
        chosen, fit = settings[int(np.argmax(scores))]
        recall, ndcg = measure_baseline(fit, final)
        results.append(Result(name, [recall], [ndcg], time.perf_counter() - start, chosen))
    return results


def measure_baseline(fit: Callable[[Log], Scores], part: Part) -> tuple[float, float]:
    return measure(baseline_search(fit(part.log), part.holdout.users_Q), part.holdout)
