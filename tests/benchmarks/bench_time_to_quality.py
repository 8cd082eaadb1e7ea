"""Seconds of training until Recall@20 on the test part reaches a target.

    python -m tests.benchmarks.bench_time_to_quality --train T.parquet --test E.parquet --target 0.18 [--limit 600]
        [--settings TAU C] [--epochs 20] [--rate 0.02] [--set SYSTEM NAME=VALUE ...] [--tfrs PYTHON] [--json]
    ... --choose

T and E hold user_id and item_id. Metrics are those of tests.benchmarks.public: full
ranking, training items masked. All systems train the same model: a vector of D numbers
for each user and item, compared by cosine. Each runs in a process of its own and hands
its vectors over after every epoch. Seconds are those of training. They begin when the
data is read, include building (TensorFlow's graph), and stop while vectors are
measured. A system ends at the target, after its epochs or in the epoch that passes
--limit seconds. If it `never` reaches the target, its best epoch is shown, and `> x`
for the time it had.

--settings, --epochs and --rate are for this trainer, and for the same loss in plain
PyTorch unless --set names others. --choose searches each system's settings on a part
that is cut from T; E is not ranked, and --target is one for that part. The printed
lines "chosen" are arguments. PYTHON is the interpreter of an environment with `pip
install tensorflow-cpu==2.21.0 tensorflow-recommenders==0.7.7 tf-keras`; without it that
system is left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feature_repo.schema import ITEM_ID, USER_ID
from tests.benchmarks.public.data import Part, existing, read
from tests.benchmarks.public.systems import measure
from tests.benchmarks.time_to_quality.curve import Curve, Point, first_past, highest, rank, ratio
from tests.benchmarks.time_to_quality.systems import SYSTEMS, Settings, overridden, walk
from tests.benchmarks.time_to_quality.task import GO_ON, STOP, Task
from training.retrieval.exact import exact_search

ROOT = Path(__file__).parents[2]
COLUMNS = ("system", "settings", "seconds to target", "best Recall@20", "after seconds", "and epochs", "x this trainer")


def main() -> None:
    arguments = _arguments()
    wanted = arguments.only or [name for name in SYSTEMS if name != "tfrs_retrieval" or arguments.tfrs]
    names = [name for name in SYSTEMS if name in wanted]  # this trainer first: the others are compared with it
    settings = {name: settings_of(name, arguments) for name in names}
    validation, final = read(arguments.train, arguments.test)
    race = Race(validation if arguments.choose else final, arguments)
    if not arguments.json:
        print(f"{torch.get_num_threads()} threads; target {arguments.target}, limit {arguments.limit:.0f} s\n")
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for name in names:
        if not arguments.choose:
            race.run(name, settings[name])
            continue
        best = walk(settings[name], SYSTEMS[name].grid, partial(race.rank, name))
        chosen = f"--set {name} {' '.join(f'{key}={value}' for key, value in best.items())}"
        print(json.dumps({"chosen": chosen}) if arguments.json else f"chosen: {chosen}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=existing, required=True)
    parser.add_argument("--test", type=existing, required=True)
    parser.add_argument("--target", type=float, required=True, help="Recall@20")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of training that a system has")
    parser.add_argument("--settings", type=float, nargs=2, metavar=("TEMPERATURE", "EXPONENT"))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rate", type=float, help="of the vectors, at the start")
    parser.add_argument("--set", nargs="+", action="append", default=[], metavar=("SYSTEM", "NAME=VALUE"))
    parser.add_argument("--only", nargs="+", choices=SYSTEMS, help="these systems")
    parser.add_argument("--choose", action="store_true", help="settings on a validation part; the test is not ranked")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tfrs", type=Path, help="interpreter with TensorFlow Recommenders")
    parser.add_argument("--json", action="store_true", help="a line for each system, with its whole curve")
    parser.set_defaults(users=None, items=None)
    arguments = parser.parse_args()
    if unknown := {given[0] for given in arguments.set} - set(SYSTEMS):
        parser.error(f"--set got {', '.join(unknown)}; wanted one of {', '.join(SYSTEMS)}")
    if "tfrs_retrieval" in (arguments.only or ()) and arguments.tfrs is None:
        parser.error("--tfrs is wanted for the system tfrs_retrieval")
    return arguments


def settings_of(name: str, arguments: argparse.Namespace) -> Settings:
    """Settings of a system, with those of the command line."""
    settings = dict(SYSTEMS[name].settings)
    if "exponent" in settings:
        temperature, exponent = arguments.settings or (None, None)
        given = {
            "temperature": temperature,
            "exponent": exponent,
            "epochs": arguments.epochs,
            "rate": arguments.rate,
        }
        settings |= {key: value for key, value in given.items() if value is not None}
    for system, *values in arguments.set:
        settings = overridden(settings, values) if system == name else settings
    return settings


class Race:
    """Runner of systems on one part, which prints a row for each.

    `ours` is the system that the others are compared with.
    """

    def __init__(self, part: Part, arguments: argparse.Namespace) -> None:
        self.part, self.arguments = part, arguments
        self.ours: Curve = ()

    def rank(self, name: str, settings: Settings) -> tuple[float, float]:
        """Rank of a system with some settings: higher is better."""
        return rank(self.run(name, settings), self.arguments.target)

    def run(self, name: str, settings: Settings) -> Curve:
        """Curve of a system with some settings; prints its row."""
        with tempfile.TemporaryDirectory() as folder:
            curve = list(self._points(name, settings, Path(folder)))
        self.ours = curve if name == "ours" else self.ours
        row = self._row(name, settings, curve)
        if self.arguments.json:
            print(json.dumps(row | {"curve": [asdict(point) for point in curve]}), flush=True)
        else:
            print("| " + " | ".join(str(cell) for cell in row.values()) + " |", flush=True)
        return curve

    def _points(self, name: str, settings: Settings, folder: Path) -> Iterator[Point]:
        """Points of each epoch, until the target, the limit or the end.

        Args:
            name: the system.
            settings: its settings.
            folder: folder of its task and its vectors.

        Raises:
            RuntimeError: the system fails.
        """
        self._task(settings).save(folder)
        python = self.arguments.tfrs if name == "tfrs_retrieval" else sys.executable
        command = [str(python), "-m", f"tests.benchmarks.time_to_quality.{name}", str(folder)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        log = folder / "log.txt"
        with log.open("w") as messages, subprocess.Popen(command, cwd=ROOT, stderr=messages, **pipes) as process:
            assert process.stdin and process.stdout
            for line in process.stdout:
                point = self._measured(json.loads(line))
                yield point
                enough = point.recall >= self.arguments.target or point.seconds >= self.arguments.limit
                print(STOP if enough else GO_ON, file=process.stdin, flush=True)
        if process.returncode:
            raise RuntimeError(f"{name} with {settings} ended with {process.returncode}:\n{log.read_text()[-2000:]}")

    def _task(self, settings: Settings) -> Task:
        pairs = self.part.pairs
        for_all = {"dim": self.arguments.dim, "seed": self.arguments.seed, "threads": torch.get_num_threads()}
        return Task(
            user_I=pairs.user_I,
            item_I=pairs.item_I,
            users=len(pairs.user_U[USER_ID]),
            items=len(pairs.item_N[ITEM_ID]),
            settings=settings | for_all,
        )

    def _measured(self, epoch: dict[str, Any]) -> Point:
        path = Path(epoch["path"])
        with np.load(path, allow_pickle=False) as stored:
            user_QD, item_ND = stored["user_UD"][self.part.holdout.users_Q], stored["item_ND"]
        path.unlink()
        recall, _ = measure(exact_search(user_QD, item_ND), self.part.holdout)
        return Point(epoch=epoch["epoch"], seconds=epoch["seconds"], recall=recall)

    def _row(self, name: str, settings: Settings, curve: Curve) -> dict[str, Any]:
        target = self.arguments.target
        reached, best = first_past(curve, target), highest(curve)
        cells = (
            SYSTEMS[name].title,
            ", ".join(f"{key} {value}" for key, value in settings.items()),
            f"{reached.seconds:.1f}" if reached else "never",
            f"{best.recall:.4f}",
            f"{best.seconds:.1f}",
            best.epoch,
            ratio(curve, self.ours, target),
        )
        return dict(zip(COLUMNS, cells, strict=True))


if __name__ == "__main__":
    main()
