"""Settings of the baselines, chosen inside the training part of a dataset.

    python -m tests.benchmarks.tune_baselines [--dataset completejourney] [--data DIR] [--json]

The hold-out is not read: events from the cut on are dropped first. The rest is divided
again: baselines learn from the events before the validation window, and are measured on
the window (14 days, whole corpus).

The search walks the parameters of a baseline in the order of GRID: each takes its best
value, with the others at their best so far (at first those of START, which are
published). Best is the highest geometric mean of Recall@20, NDCG@20 and Recall@100 of
the view `all`, because chance decides one of them alone between neighbouring values.
Every tried setting is printed in all views, so that another choice can be made; `*` is
the end of the walk.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from feature_repo.datasets import load, names
from feature_repo.datasets.canonical import Tables
from feature_repo.tables.snapshots import known_before
from training.baselines import Log, ease, tifu_knn, up_cf, user_knn
from training.data.split import temporal_split
from training.evaluation.evaluate import evaluate
from training.evaluation.holdout import Holdout, temporal_holdout
from training.retrieval.exact import MakeSearch, Scores, score_search

METRICS = ("recall@20", "ndcg@20", "recall@100")
VIEWS = ("all", "repeat", "discovery")
BLOCK = 256
"""Users scored at a time."""

BASELINES: dict[str, Callable[..., Scores]] = {
    "user_knn": user_knn,
    "up_cf": up_cf,
    "tifu_knn": tifu_knn,
    "ease": ease,
}
Setting = dict[str, Any]
START: dict[str, Setting] = {
    "user_knn": {"neighbours": 100, "shrinkage": 10},
    "up_cf": {"recency": 25, "alpha": 0.75, "locality": 5},
    "tifu_knn": {"group_size": 3, "group_decay": 0.6, "within_decay": 0.9, "alpha": 0.2, "neighbours": 900},
    "ease": {"regularization": 500, "min_users": 1},
}
GRID: dict[str, dict[str, tuple[float, ...]]] = {
    "user_knn": {"neighbours": (20, 50, 100, 300, 900), "shrinkage": (0, 10, 100)},
    "up_cf": {"recency": (10, 25, 50, 100), "alpha": (0.25, 0.5, 0.75, 1), "locality": (2, 5, 10, 20)},
    "tifu_knn": {
        "group_size": (3, 5, 7, 14),
        "group_decay": (0.5, 0.6, 0.7, 0.8),
        "within_decay": (0.9, 1),
        "alpha": (0.2, 0.5, 0.7, 0.9),
        "neighbours": (100, 300, 900),
    },
    "ease": {"regularization": (50, 200, 500, 1000, 2500), "min_users": (1, 5, 10)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="completejourney", choices=names())
    parser.add_argument("--data", type=Path, help="folder of the raw files, where you bring them")
    parser.add_argument("--only", nargs="+", choices=BASELINES, default=list(BASELINES), help="these baselines")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    log, holdout = inner_split(load(arguments.dataset, data=arguments.data))
    for name in arguments.only:
        rows = walk(name, log, holdout)
        if arguments.json:
            print(json.dumps({"dataset": arguments.dataset, "baseline": name, "rows": rows}), flush=True)
        else:
            print_table(f"{arguments.dataset}, {name}", rows)


def inner_split(tables: Tables) -> tuple[Log, Holdout]:
    """Log before the validation window, and the window as hold-out."""
    split = temporal_split(tables.events["timestamp"], holdout="10%")
    events = known_before(tables.events, split.cut)
    users, corpus, start = tables.users["user_id"], tables.items["item_id"], split.validation_start
    may_return = tables.schema.seen_items_may_return
    holdout = temporal_holdout(events, users, corpus, start, split.cut, may_return)
    return Log.before(events, users, corpus, start), holdout


def walk(name: str, log: Log, holdout: Holdout) -> list[dict[str, Any]]:
    """One row for each tried setting, in order.

    Args:
        name: the baseline.
        log: interactions to learn from.
        holdout: hold-out of the window.
    """
    best: Setting = START[name]
    rows: dict[str, dict[str, float]] = {}

    def measured(setting: Setting) -> float:
        key = json.dumps(setting)
        if key not in rows:
            rows[key] = measure(name, setting, log, holdout)
        # The product orders settings as the geometric mean does.
        return float(np.prod([rows[key][f"all/{metric}"] for metric in METRICS]))

    measured(best)
    for parameter, values in GRID[name].items():
        best = max(({**best, parameter: value} for value in values), key=measured)
    return [{"setting": json.loads(key), "chosen": key == json.dumps(best), **row} for key, row in rows.items()]


def measure(name: str, setting: Setting, log: Log, holdout: Holdout) -> dict[str, float]:
    """Metrics of one setting, and seconds from the log to all scores.

    Args:
        name: the baseline.
        setting: its settings.
        log: interactions to learn from.
        holdout: hold-out of the window.
    """
    started = time.monotonic()
    search = scored_once(BASELINES[name](log, **setting), holdout, log.items)
    seconds = time.monotonic() - started
    metrics = evaluate(search, holdout, ks=(20, 100), seed=0).metrics
    wanted = [f"{view}/{metric}" for view in VIEWS for metric in METRICS]
    return {key: metrics[key] for key in wanted if key in metrics} | {"seconds": seconds}


def scored_once(scores: Scores, holdout: Holdout, items: int) -> MakeSearch:
    """Search over scores that are computed once.

    Args:
        scores: scores of the baseline.
        holdout: hold-out of the window.
        items: number of items.
    """
    # Views ask for lists with and without seen items, and scoring costs the most.
    users_Q = holdout.users_Q
    scores_QN = np.empty((len(users_Q), items), dtype=np.float32)
    for start in range(0, len(users_Q), BLOCK):
        scores_QN[start : start + BLOCK] = scores(users_Q[start : start + BLOCK])
    return score_search(lambda rows: scores_QN[rows])


def print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = [name for name in rows[0] if name not in ("setting", "chosen")]
    print(f"\n**{title}**\n\n| | setting | {' | '.join(columns)} |\n|{'---|' * (2 + len(columns))}")
    for row in rows:
        cells = [f"{row[name]:.1f}" if name == "seconds" else f"{row[name]:.4f}" for name in columns]
        setting = ", ".join(f"{name} {value:g}" for name, value in row["setting"].items())
        print(f"| {'*' if row['chosen'] else ''} | {setting} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
