"""Rolling next-basket: each user's first baskets after the cut, one by one.

    python -m tests.benchmarks.rolling [--dataset completejourney] [--seed 0] [--baskets 5] [--json]

The champion of the home is measured beside baselines; without one, the pipeline runs
first. Before each basket, a system knows all events until the basket's first event,
including the user's baskets since the cut, but nothing is retrained. Towers, item
embeddings, neighbours, relations between items and popularity are those of the cut; the
user's features and history are not [the protocol: Li et al., TOIS 2023; Kolesnikov et
al., arXiv 2110.05589].

Lists are over the whole corpus. `all` asks for the basket, `repeat` for its items that
the user had before, and `discovery` for the others, with the user's items masked.
Values and ceilings are means over the baskets of a user, then over users.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Mapping

from feature_repo.datasets import load, names
from orchestration.evaluated import TWO_TOWER
from orchestration.local.home import log_to_file, prepare_home
from serving.registry import Registry
from serving.release.load import Release
from serving.settings import Settings
from tests.benchmarks.rolling.baskets import rounds
from tests.benchmarks.rolling.pooled import pooled
from tests.benchmarks.rolling.systems import baseline_searches, item_vectors, release_search
from training.baselines import Log
from training.evaluation.evaluate import evaluate
from training.evaluation.result import Evaluation, with_intervals

VIEWS = ("all", "repeat", "discovery")
HEADS = ("view", "system", "Recall@20 (95 %)", "two_tower leads by", "NDCG@20", "two_tower leads by", "Recall@10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="completejourney", choices=names())
    parser.add_argument("--seed", type=int, default=0, help="of the intervals, and of a pipeline run")
    parser.add_argument("--baskets", type=int, default=5, help="so many of each user, at most")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    systems, baskets = measure(arguments.dataset, arguments.seed, arguments.baskets)
    if arguments.json:
        found = {name: json.loads(each.to_json()) for name, each in systems.items()}
        print(json.dumps({"dataset": arguments.dataset, "baskets": baskets, "systems": found}))
    else:
        print_table(f"{arguments.dataset}, {baskets:,} baskets, at most {arguments.baskets} of a user", systems)


def measure(dataset: str, seed: int, number: int) -> tuple[dict[str, Evaluation], int]:
    """Evaluations of every system over all rounds, and the number of baskets.

    Args:
        dataset: name of the dataset.
        seed: random seed of the intervals, and of a pipeline run.
        number: most baskets of a user.
    """
    settings = Settings.from_environment(os.environ)
    release, tables = released(settings, dataset, seed), load(dataset)
    item_ND = item_vectors(settings, release, tables.items["item_id"])
    before = Log.before(tables.events, tables.users["user_id"], tables.items["item_id"], release.manifest.cut)
    measured: dict[str, list[Evaluation]] = defaultdict(list)
    holdouts = []
    for of_round in rounds(tables, release.manifest.cut, number):
        holdouts.append(of_round.holdout)
        search = release_search(release, item_ND, tables, of_round)
        measured[TWO_TOWER].append(evaluate(search, of_round.holdout, ks=(10, 20), seed=seed))
        for name, make in baseline_searches(before, of_round).items():
            print(f"basket {len(holdouts)}: {name}", file=sys.stderr)
            measured[name].append(evaluate(make(), of_round.holdout, ks=(10, 20), seed=seed))
    systems = {name: pooled(each, holdouts) for name, each in measured.items()}
    systems = with_intervals(systems, seed=seed, reference=TWO_TOWER)
    return systems, sum(len(holdout.users_Q) for holdout in holdouts)


def released(settings: Settings, dataset: str, seed: int) -> Release:
    """Champion, after a pipeline run if there is none.

    Args:
        settings: settings of the home.
        dataset: name of the dataset.
        seed: random seed of the run.

    Raises:
        ReleaseError: the run did not pass the gate.
    """
    prepare_home(settings)
    log_to_file(settings)
    if Registry(settings, dataset).champion() is None:
        from orchestration.pipeline import run_pipeline

        run_pipeline({"dataset": dataset, "seed": seed})
    return Release.load(settings, dataset)


def print_table(title: str, systems: Mapping[str, Evaluation]) -> None:
    own = systems[TWO_TOWER]
    views = [view for view in VIEWS if view in own.users]
    print(f"\n**{title}**\n\n| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for view in views:
        for name in sorted(systems, key=lambda name: -systems[name].metrics[f"{view}/recall@20"]):
            print(f"| {' | '.join([view, name, *cells(systems[name], view)])} |")
    users = ", ".join(f"{view} {own.users[view]:,}" for view in views)
    ceilings = ", ".join(f"{view} {own.ceilings[f'{view}/recall@20']:.3f}" for view in views)
    shares = ", ".join(f"{name} {each.repeat_share:.2f}" for name, each in systems.items())
    print(f"\nUsers: {users}. Attainable Recall@20: {ceilings}.")
    print(f"Share of items in the lists of 20 that the user had before: {shares}.")


def cells(system: Evaluation, view: str) -> list[str]:
    low, high = system.intervals[f"{view}/recall@20"]
    recall, ndcg, shorter = (
        f"{system.metrics[f'{view}/{name}']:.4f}" for name in ("recall@20", "ndcg@20", "recall@10")
    )
    leads = [system.leads.get(f"{view}/{name}") for name in ("recall@20", "ndcg@20")]
    recall_lead, ndcg_lead = (f"{lead[0]:+.4f} .. {lead[1]:+.4f}" if lead else "" for lead in leads)
    return [f"{recall} ({low:.4f}-{high:.4f})", recall_lead, ndcg, ndcg_lead, shorter]


if __name__ == "__main__":
    main()
