"""Planted worlds in which a method must win, and worlds in which it must lose.

    python -m tests.benchmarks.recovery [--seeds 5] [--only logQ] [--json]

Prints one table over seeds. Exits with 1 if a measure does not hold. Seeds run in two
processes of one thread each.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import torch

from tests.benchmarks.recovery.experiment import Experiment
from tests.benchmarks.recovery.experiments import EXPERIMENTS

Row = dict[str, object]


def run(experiments: Sequence[Experiment], description: str, *, seeds: int) -> None:
    """Run experiments as the command line asks, print their table, and end the process.

    Args:
        experiments: the experiments.
        description: text of `--help`.
        seeds: seeds of each, unless the command line names another number.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--only", choices=[experiment.name for experiment in experiments])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    chosen = [each for each in experiments if arguments.only in (None, each.name)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        rows = [row for experiment in chosen for row in measured(experiment, arguments.seeds, pool)]
    print(json.dumps(rows, indent=2)) if arguments.json else print_table(rows)
    sys.exit(not all(row["holds"] for row in rows))


def measured(experiment: Experiment, seeds: int, pool: ProcessPoolExecutor) -> list[Row]:
    """One row per measure.

    Args:
        experiment: the experiment.
        seeds: number of seeds.
        pool: processes of the seeds.
    """
    start = time.perf_counter()
    runs = list(pool.map(experiment.measure, range(seeds)))
    print(f"{experiment.name}: {seeds} seeds in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    rows: list[Row] = []
    for each in experiment.measures:
        values = [run[each.name] for run in runs]
        holds = each.holds(values)
        rows.append(
            {
                "experiment": experiment.name,
                "measure": f"{each.name} (negative case)" if each.negative else each.name,
                "accept": each.accept,
                "values": values,
                "holds": holds,
                "remark": "" if holds else each.remark,
            }
        )
    return rows


def print_table(rows: Sequence[Row]) -> None:
    print("| experiment | measure | accept | min / mean / max | holds |\n|---|---|---|---|---|")
    for row in rows:
        values = row["values"]
        assert isinstance(values, list)
        spread = f"{min(values):.3f} / {sum(values) / len(values):.3f} / {max(values):.3f}"
        holds = "yes" if row["holds"] else "**no**"
        print(f"| {row['experiment']} | {row['measure']} | {row['accept']} | {spread} | {holds} |")
    for row in rows:
        if row["remark"]:
            print(f"\n{row['experiment']}, {row['measure']}: {row['remark']}.")


if __name__ == "__main__":
    run(EXPERIMENTS, __doc__ or "", seeds=5)
