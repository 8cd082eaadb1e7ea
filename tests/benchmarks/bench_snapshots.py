"""Granularity of user snapshots: the same towers, trained on each.

    python -m tests.benchmarks.bench_snapshots movielens --ratings DIR [--seeds 3] [--recipe base] [--holdout]
    python -m tests.benchmarks.bench_snapshots completejourney [--seeds 1] [--users 300]

DIR holds `ml-100k.inter` as recbole 1.2.1 ships it (dataset_example/ml-100k). Prints the
share of interactions without a history, then mean Recall@20 and NDCG@20 over the seeds on
the validation window, by towers that were trained before it. `--holdout` adds the
hold-out, by towers that were trained before the cut: a report, by which nothing is
chosen.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.datasets.guess_snapshots import empty_shares
from feature_repo.granularity import DAY, EVENT, SESSION
from feature_repo.schema import ITEM_ID, USER_ID
from orchestration.api.dataset import Dataset
from orchestration.api.evaluation import evaluate
from orchestration.api.model import fit
from training.baselines import CHEAP_BASELINES
from training.data.split import Split
from training.recipes import recipe

GRANULARITIES = (DAY, SESSION, EVENT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("movielens", "completejourney"))
    parser.add_argument("--ratings", type=Path, help="folder of ml-100k.inter")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipe", default="base")
    parser.add_argument("--granularities", nargs="+", default=GRANULARITIES)
    parser.add_argument("--users", type=int, help="a sample of so many users, and the items that they took")
    parser.add_argument("--holdout", action="store_true")
    arguments = parser.parse_args()
    data = (
        movielens(arguments.ratings) if arguments.data == "movielens" else Dataset.load(arguments.data, holdout="10%")
    )
    data = sampled(data, arguments.users) if arguments.users else data
    shares = empty_shares(data.tables.events)
    print("interactions without a history:", ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    windows = {"validation": before(data)} | ({"hold-out": data} if arguments.holdout else {})
    for window, each in windows.items():
        print(f"\n{window}: {each.split.cut} to {each.split.end}, recipe {arguments.recipe}, {arguments.seeds} seeds")
        for number, name in enumerate(arguments.granularities):
            found, seconds = measure(with_snapshots(each, name), arguments.recipe, arguments.seeds)
            towers = found.pop("two_tower")
            if number == 0:
                print("\n".join(f"{system:<18} {cells(rows[:1])}" for system, rows in found.items()))
            print(f"{name:<18} {cells(towers)}  {seconds:.0f} CPU s a seed", flush=True)


def movielens(folder: Path) -> Dataset:
    """Ratings of MovieLens-100K, all of them positives, with the year and the genres of the films."""
    events = pl.read_csv(folder / "ml-100k.inter", separator="\t", infer_schema=False)
    films = pl.read_csv(folder / "ml-100k.item", separator="\t", infer_schema=False, quote_char=None)
    items = films.select(
        item_id="item_id:token", genres=pl.col("class:token_seq").str.split(" "), year="release_year:token"
    )
    return Dataset.from_frames(
        events.select(
            user_id="user_id:token",
            item_id="item_id:token",
            timestamp=pl.from_epoch(pl.col("timestamp:float").cast(pl.Float64).cast(pl.Int64)),
        ),
        items=items,
        item_features={"genres": "multi_valued", "year": "categorical"},
        name="movielens",
        holdout="10%",
    )


def sampled(data: Dataset, users: int) -> Dataset:
    """Dataset of some users, drawn at random (seed 0), and the items that they took."""
    tables = data.tables
    chosen = tables.users.sample(users, seed=0).sort(USER_ID)
    events = tables.events.join(chosen, on=USER_ID, how="semi", maintain_order="left")
    items = tables.items.join(events, on=ITEM_ID, how="semi", maintain_order="left")
    return Dataset.of(replace(tables, events=events, users=chosen, items=items), holdout="10%")


def before(data: Dataset) -> Dataset:
    """Dataset whose hold-out is the validation window of another."""
    split = data.split
    length = max(timedelta(days=1), (split.cut - split.validation_start) // 2)
    inner = Split(validation_start=split.validation_start - length, cut=split.validation_start, end=split.cut)
    return Dataset(tables=data.tables, split=inner)


def with_snapshots(data: Dataset, granularity: str) -> Dataset:
    """Dataset of the same tables with other user snapshots."""
    schema = replace(data.schema, snapshots=granularity)
    return Dataset(tables=replace(data.tables, schema=schema), split=data.split)


def measure(data: Dataset, name: str, seeds: int) -> tuple[dict[str, list[dict[str, float]]], float]:
    """Metrics of each seed by system, and the CPU seconds of a seed.

    Args:
        data: the dataset.
        name: name of the recipe.
        seeds: number of seeds.
    """
    started, found = time.process_time(), defaultdict(list)
    returning, size = data.schema.seen_items_may_return, data.tables.events.height
    config = recipe(name, seen_items_may_return=returning, interactions=size)
    for seed in range(seeds):
        frame = evaluate(fit(data, config, seed=seed), data, CHEAP_BASELINES, seed=seed).to_frame()
        for (system,), rows in frame.group_by("system", maintain_order=True):
            found[str(system)].append(chosen(rows))
    return found, (time.process_time() - started) / seeds


def chosen(frame: pl.DataFrame) -> dict[str, float]:
    """Recall and NDCG at 20 by view."""
    rows = frame.filter(pl.col("metric").is_in(["recall", "ndcg"]), k=20)
    return {f"{view} {metric}": value for view, metric, value in rows.select("view", "metric", "value").iter_rows()}


def cells(found: Sequence[dict[str, float]]) -> str:
    """Mean of each metric over the seeds, with the range where there are several."""
    texts = []
    for name in found[0]:
        values = [each[name] for each in found]
        spread = f" ({min(values):.4f}-{max(values):.4f})" if len(values) > 1 else ""
        texts.append(f"{name} {np.mean(values):.4f}{spread}")
    return "  ".join(texts)


if __name__ == "__main__":
    main()
