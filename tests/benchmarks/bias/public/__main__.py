"""Debiased against naive training on public logs, judged on their uniform part alone.

    python -m tests.benchmarks.bias.public --folder FOLDER [--seeds 5] [--only simulation coat bandit]

FOLDER holds checkouts of the sources:

    git clone https://github.com/DongHande/AutoDebias FOLDER/AutoDebias
    git clone https://github.com/st-tech/zr-obp FOLDER/zr-obp

Prints two tables in Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from feature_repo.errors import InputError
from tests.benchmarks.bias.public.bandit import CAMPAIGNS, Row, campaigns, estimates
from tests.benchmarks.bias.public.judged import judged
from tests.benchmarks.bias.public.logs import LOGS
from tests.benchmarks.bias.public.towers import by_click_rate, tasks_of, tuned
from training.evaluation.bootstrap import bootstrap_interval

BANDIT = "bandit"


def main() -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=[*LOGS, BANDIT], default=[*LOGS, BANDIT])
    given = parser.parse_args()
    torch.set_num_threads(1)
    try:
        if chosen := [name for name in LOGS if name in given.only]:
            print("| log | model | AUC | − naive | NDCG@5 | − naive | seeds ahead | log-loss of clicks |")
            print("|---|---|---:|---|---:|---|---:|---:|")
            for name in chosen:
                for line in compared(name, given.folder, given.seeds):
                    print(line, flush=True)
            print()
        if BANDIT in given.only:
            print_bandit(given.folder)
    except InputError as error:
        parser.exit(2, f"{error}\n")


def compared(name: str, folder: Path, seeds: int) -> Iterator[str]:
    """Lines of a log, one for each model.

    Args:
        name: name of the log.
        folder: the sources.
        seeds: trainings of each model.
    """
    log, naive = LOGS[name](folder), None
    rate = judged(by_click_rate(log), log.uniform)
    yield f"| {name} | no towers: click rate of the item | {rate.auc_Q.mean():.3f} | | {rate.ndcg_Q.mean():.3f} | | | |"
    for model in tasks_of(log):
        found = [tuned(log, model, seed=seed) for seed in range(seeds)]
        each = [judged(chosen.score_UN, log.uniform) for chosen in found]
        measured = {"auc": np.array([one.auc_Q for one in each]), "ndcg": np.array([one.ndcg_Q for one in each])}
        naive = naive or measured
        cells = []
        for what, value_SQ in measured.items():
            gain_SQ = value_SQ - naive[what]
            cells += [f"{value_SQ.mean():.3f}", _gain(gain_SQ.mean(axis=0)) if model != "naive" else ""]
        ahead = int((measured["ndcg"].mean(axis=1) > naive["ndcg"].mean(axis=1)).sum())
        cells += [f"{ahead} of {seeds}" if model != "naive" else "", f"{np.mean([one.loss for one in found]):.3f}"]
        yield f"| {name} | {model} | {' | '.join(cells)} |"


def _gain(gain_Q: np.ndarray) -> str:
    """Mean gain over the users, with its interval."""
    low, high = bootstrap_interval(gain_Q, seed=0)
    return f"{gain_Q.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def print_bandit(folder: Path) -> None:
    """Print the estimates of all campaigns that are there."""
    there = campaigns(folder)
    print("| campaign | correction | clicks of 1,000, 95 % | on-policy, 95 % | effective rows | refused |")
    print("|---|---|---|---|---:|---|")
    for campaign in there:
        for row in estimates(folder, campaign):
            print(_line(row))
    if missing := [name for name in CAMPAIGNS if name not in there]:
        print(f"\nNot there: {', '.join(missing)}.")


def _line(row: Row) -> str:
    """One line of the table."""
    values = (
        f"{1000 * each.value:.2f} [{1000 * each.interval()[0]:.2f}, {1000 * each.interval()[1]:.2f}]"
        for each in (row.found, row.truth)
    )
    weighted = row.estimator in ("IPS", "SNIPS", "DR")
    effective, refused = (f"{row.effective:,.0f}", row.refused or "no") if weighted else ("", "")
    return f"| {row.campaign} | {row.estimator} | {' | '.join(values)} | {effective} | {refused} |"


if __name__ == "__main__":
    main()
