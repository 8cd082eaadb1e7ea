"""Search of the default recipe, on the training part alone.

    python -m tests.benchmarks.search_recipe [--trials 12] [--epochs 2] [--minutes 60] [--seed 0]
    python -m tests.benchmarks.search_recipe --epochs 1 --try outside=0.25 days=28 --try outside=0.15

Every trial trains towers on the events before the validation window of completejourney
and measures them on the window, as the trial of a pipeline run does; the hold-out is
never read. The default recipe comes first. Trials are drawn by a tree of Parzen
estimators [Bergstra et al., NeurIPS 2011]. --try replaces the search: each names a
trial, the default recipe with other values. Prints one row per trial.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import optuna
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.completejourney import load
from feature_repo.schema import Entity
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from training.data.interactions import interactions, item_rows, query_rows
from training.data.split import Split, temporal_split
from training.recipes import InBatch, Mixed, TrainConfig, recipe
from training.recipes.named import LARGE
from training.trainer import SCORE, fit_repeat_head, train
from training.untrained import start_trial
from training.validation_window import with_score

METRICS = ("recall@20", "ndcg@20", "recall@100")
SHOWN = tuple(f"{view}/{metric}" for view in ("all", "repeat", "discovery") for metric in METRICS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60.0, help="No trial begins later than this.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--try", nargs="+", action="append", default=[], metavar="NAME=VALUE", dest="tried")
    arguments = parser.parse_args()
    tried = [chosen(default()) | named(values) for values in arguments.tried]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=4),
    )
    for values in tried or [chosen(default())]:
        study.enqueue_trial(values)
    tables = load()
    split = temporal_split(tables.events["timestamp"], holdout="10%")
    frames = [joined(tables, entity, split) for entity in (Entity.USER, Entity.ITEM)]
    print(row([*chosen(default()), "epoch", *SHOWN, SCORE]), flush=True)

    def objective(trial: optuna.Trial) -> float:
        config = suggested(trial)
        config = replace(config, optimisation=replace(config.optimisation, epochs=arguments.epochs))
        frames_and_window = tables.schema, *frames, tables.events, split.validation_start, split.cut
        towers, data, validate = start_trial(*frames_and_window, config, seed=arguments.seed)

        epochs = train(data, towers.model, config, seed=arguments.seed, validate=validate)
        best = 1 + max(range(len(epochs)), key=lambda each: epochs[each][SCORE])
        fit_repeat_head(data, towers.model, config, seed=arguments.seed)
        metrics = validate(towers.model)
        # One measure for all: a recipe's own weighs discoveries by its
        # discovery_weight.
        score = with_score(metrics, 1.0, default().weighting.discovery_weight)[SCORE]
        cells = [*(f"{value:.4g}" for value in chosen(config).values()), str(best)]
        print(row([*cells, *(f"{metrics[name]:.4f}" for name in SHOWN), f"{score:.4f}"]), flush=True)
        return score

    study.optimize(objective, n_trials=len(tried) or arguments.trials, timeout=60 * arguments.minutes)
    print(f"best: {study.best_value:.4f} with {study.best_params}")


def joined(tables: Tables, entity: Entity, split: Split) -> pl.DataFrame:
    """Snapshots of all interactions until the cut, with their features.

    Args:
        tables: canonical tables.
        entity: users or items.
        split: times of the split.
    """
    moments = split.validation_start, split.cut
    positives = interactions(tables.events, split.cut, tables.schema.snapshots)
    if entity is Entity.USER:
        rows = query_rows(positives, tables.users[entity.key], moments)
    else:
        rows = item_rows(positives, tables.items[entity.key], moments)
    return join_as_of(rows, feature_tables(tables, entity, moments), entity)


def default() -> TrainConfig:
    """The default recipe, as it is for a log of this size."""
    return recipe("base", interactions=LARGE)


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def named(values: list[str]) -> dict[str, float]:
    """NAME=VALUE as numbers.

    Raises:
        ValueError: a name that is not searched.
    """
    known, given = chosen(default()), [each.partition("=") for each in values]
    if unknown := {name for name, _, _ in given} - set(known):
        raise ValueError(f"got {', '.join(sorted(unknown))}; wanted some of {', '.join(known)}")
    return {name: type(known[name])(value) for name, _, value in given}


def chosen(config: TrainConfig) -> dict[str, float]:
    """Searched values of a recipe; `uniform` is the number of uniform negatives."""
    assert config.repeat is not None and isinstance(config.negatives.sampler, InBatch | Mixed)
    return {
        "discovery_weight": config.weighting.discovery_weight,
        "half_life_days": config.weighting.half_life_days,
        "history_dropout": config.tower.history.dropout,
        "learning_rate": config.optimisation.learning_rate,
        "embedding_rate": config.optimisation.embedding_rate,
        "outside": config.repeat.outside,
        "days": config.repeat.days,
        "uniform": config.negatives.sampler.number if isinstance(config.negatives.sampler, Mixed) else 0,
    }


def suggested(trial: optuna.Trial) -> TrainConfig:
    """Recipe of a trial."""
    config = default()
    assert config.repeat is not None
    outside, days = trial.suggest_float("outside", 0.1, 1.0, log=True), trial.suggest_int("days", 7, 56)
    uniform = trial.suggest_categorical("uniform", (0, 1024, 4096))
    tower = replace(
        config.tower,
        history=replace(config.tower.history, dropout=trial.suggest_float("history_dropout", 0.2, 0.8)),
    )
    return replace(
        config,
        weighting=replace(
            config.weighting,
            discovery_weight=trial.suggest_float("discovery_weight", 1.0, 8.0, log=True),
            half_life_days=trial.suggest_float("half_life_days", 20.0, 240.0, log=True),
        ),
        tower=tower,
        negatives=replace(config.negatives, sampler=Mixed(number=uniform) if uniform else InBatch()),
        repeat=replace(config.repeat, outside=outside, days=days),
        optimisation=replace(
            config.optimisation,
            learning_rate=trial.suggest_float("learning_rate", 5e-4, 5e-3, log=True),
            embedding_rate=trial.suggest_float("embedding_rate", 5e-4, 1e-2, log=True),
        ),
    )


if __name__ == "__main__":
    main()
