"""A log of promotions through the pipeline: posted, trained on, judged, and measured by the truth."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.datasets.stored import read_tables
from serving.gate.verdict import RuleKind
from serving.registry.sqlite import open_registry
from serving.release.manifest import read
from tests.benchmarks.bias.measures import ndcg, recall
from tests.benchmarks.bias.promotions.answers import Order, draw_answers, looks
from tests.benchmarks.bias.promotions.home import Home, Posted, events_of
from tests.benchmarks.bias.promotions.market import DATASET, Market
from tests.benchmarks.bias.promotions.outcome import Outcome, outcome_of
from tests.benchmarks.bias.promotions.scores import scores
from training.artifacts.bias import read_bias


def first_release(home: Home, market: Market, *, until: datetime, seed: int) -> Outcome:
    """Release a version that has learned from purchases alone, and keep a copy of the home.

    Args:
        home: an empty home.
        market: households, products and relevance.
        until: end of the purchases.
        seed: random seed.
    """
    summary = home.run("base", seed=seed)
    if summary["champion"] != summary["version"]:
        raise RuntimeError(f"the first version is not released: {'; '.join(summary['reasons'])}")
    shutil.copytree(home.folder, _copy(home))
    return measured(home, market, summary, at=until, seed=seed)


def through(
    home: Home,
    market: Market,
    order: Order,
    recipes: Sequence[str],
    *,
    answers: int,
    share: float,
    now: datetime,
    cut: datetime,
    seed: int,
) -> tuple[dict[str, Outcome], Posted]:
    """Post a log to the service of the first release, and run recipes on it.

    Args:
        home: the home, which begins as the copy that `first_release` has kept.
        market: households, products and relevance.
        order: order of the answers' products.
        recipes: names of the recipes, in the order of the runs.
        answers: number of answers.
        share: share of the answers in a random order.
        now: time of the posting.
        cut: end of the training part.
        seed: random seed of the log and of the trainings.

    Returns:
        Outcomes by recipe, and the cost of the posting.
    """
    shutil.rmtree(home.folder)
    shutil.copytree(_copy(home), home.folder)
    shown = draw_answers(market, order, answers=answers, share=share, until=now, seed=seed)
    with home.serving() as service:
        posted = service.post(events_of(market, shown, f"{order}-{seed}"))
    found = {}
    for recipe in recipes:
        summary = home.run(recipe, seed=seed)
        _check_kept(summary, shown)
        found[recipe] = replace(measured(home, market, summary, at=cut, seed=seed), looks=looks(order))
    return found, posted


def measured(home: Home, market: Market, summary: dict[str, Any], *, at: datetime, seed: int) -> Outcome:
    """Measure the version of a run.

    Args:
        home: the home.
        market: relevance.
        summary: summary of the run.
        at: time of the households' features.
        seed: draws the answers of NDCG.
    """
    # Not through MLflow, which keeps the file of its database open while the home is replaced.
    version, registry = summary["version"], open_registry(home.settings, DATASET)
    score_UN = scores(home.settings, market, read_tables(_tables(summary)), version, at)
    verdict = read(registry, version).verdict
    reasons = zip(verdict.rules, verdict.reasons, strict=True)
    rules = [reason.split(":")[0] for rule, reason in reasons if rule.kind is RuleKind.BIAS]
    serves = summary["champion"] == version
    return outcome_of(
        read_bias(registry.download(version)),
        ndcg=ndcg(score_UN, market.relevance_UN, seed=seed),
        recall=recall(score_UN, market.relevance_UN),
        seconds=summary["seconds"],
        rule=rules[0] if rules else "",
        verdict=f"{summary['outcome']}, released" if serves else summary["outcome"],
    )


def _check_kept(summary: dict[str, Any], shown: pl.DataFrame) -> None:
    """Raise RuntimeError unless the run has every impression and every click that was posted."""
    kept = read_tables(_tables(summary)).impressions
    found = (0, 0) if kept is None else (kept.height, int(kept["click"].sum()))
    wanted = shown.height, int(shown["click"].sum())
    if found != wanted:
        raise RuntimeError(f"the run has impressions and clicks {found}; posted were {wanted}")


def _tables(summary: dict[str, Any]) -> Path:
    """Return the folder of a run's canonical tables."""
    return Path(summary["data_page"]).parent / "source"


def _copy(home: Home) -> Path:
    return home.folder.with_name("first release")
