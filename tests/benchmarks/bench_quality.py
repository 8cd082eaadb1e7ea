"""Quality of a recipe over seeds, beside the baselines of the same runs.

    python -m tests.benchmarks.bench_quality [--dataset completejourney] [--seeds 3] [--recipe base] [--json]

Each seed is a whole pipeline run. Prints one table per corpus: mean, worst and best
over the seeds, and whether the worst lies above popularity and ALS. A last table holds
the leads of the first seed's two-tower: 95 % intervals of the difference over the same
users.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence

import numpy as np

from orchestration.evaluated import TWO_TOWER, Evaluated
from orchestration.local.home import log_to_file, prepare_home
from serving.settings import Settings
from training.evaluation.result import Evaluation

VIEWS = ("all", "repeat", "discovery")
METRICS = ("recall@20", "ndcg@20", "recall@100")
TO_BEAT = ("popularity", "als")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="completejourney")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipe", default="base")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    runs = [measure(arguments.dataset, seed, arguments.recipe) for seed in range(arguments.seeds)]
    for title, part in ((f"{runs[0].items:,} items", "systems"), (f"{runs[0].core_items:,} items", "core")):
        rows = compare([getattr(run, part) for run in runs])
        if arguments.json:
            print(json.dumps({"corpus": title, "rows": rows}))
        else:
            print_table(f"{arguments.dataset}, recipe {arguments.recipe}, {arguments.seeds} seeds, {title}", rows)
            print_table(f"leads of seed 0, {title}", leads(getattr(runs[0], part)))


def measure(dataset: str, seed: int, recipe: str) -> Evaluated:
    """Pipeline run of one seed; a completed version of the same input is kept.

    Args:
        dataset: name of the dataset.
        seed: random seed.
        recipe: name of the recipe.
    """
    settings = Settings.from_environment(os.environ)
    prepare_home(settings)
    log_to_file(settings)
    from orchestration.pipeline import run_pipeline

    judged = run_pipeline({"dataset": dataset, "seed": seed, "recipe": recipe, "baselines": "all"})
    return Evaluated.from_json(judged.path.read_text())


def compare(runs: Sequence[Mapping[str, Evaluation]]) -> list[dict[str, object]]:
    """One row per view and metric: two-tower over the seeds, and every baseline.

    ALS too is measured over the seeds.
    """
    rows: list[dict[str, object]] = []
    for view in VIEWS:
        for metric in METRICS:
            name = f"{view}/{metric}"
            values = {system: np.mean([run[system].metrics[name] for run in runs]) for system in runs[0]}
            own = [run[TWO_TOWER].metrics[name] for run in runs]
            best_to_beat = max(run[system].metrics[name] for run in runs for system in TO_BEAT)
            rows.append(
                {
                    "metric": name,
                    "mean": np.mean(own),
                    "worst": min(own),
                    "best": max(own),
                    "beats": min(own) > best_to_beat,
                }
                | {system: value for system, value in values.items() if system not in (TWO_TOWER, "champion")}
            )
    return rows


def leads(systems: Mapping[str, Evaluation]) -> list[dict[str, object]]:
    """One row per view and baseline."""
    rows: list[dict[str, object]] = []
    for view in VIEWS:
        for name in systems:
            found = {metric: systems[name].leads.get(f"{view}/{metric}") for metric in METRICS}
            told = {metric: f"{lead[0]:+.4f} .. {lead[1]:+.4f}" for metric, lead in found.items() if lead}
            rows += [{"view": view, "system": name} | told] if told else []
    return rows


def print_table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    columns = list(rows[0])
    print(f"\n**{title}**\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        cells = [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row.values()]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
