"""Seconds and peak memory of every step of the main job, by number of events.

    python -m tests.benchmarks.bench_pipeline --scale 0.25 1 8
    python -m tests.benchmarks.bench_pipeline --scale 8 --steps 200 --home /tmp/eight
    python -m tests.benchmarks.bench_pipeline --scale 8 --home /tmp/eight --step training_set

Each size is a fresh process with a home of its own. Scales are multiples of the households of
completejourney, see `pipeline.data`. --avx2: as on a processor with AVX2 only. --epochs, --steps:
train so many epochs, of so many batches each, so that what comes after the towers can be
measured without their training. --home: keep the homes in this folder. --step: run this step
alone, from what an earlier run with the same --home materialised. Prints one Markdown table.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.benchmarks.pipeline.data import write_scaled
from tests.benchmarks.pipeline.meter import Meter
from tests.benchmarks.pipeline.processor import ORDINARY, processor

OUTPUTS = {
    "source": "source",
    "user_features": "features/user",
    "item_features": "features/item",
    "training_set": "training_set",
    "item_embeddings": "v*/item_embeddings",
    "evaluation": "v*/evaluation_*",
}
"""Folders that a step fills once and then reuses."""


def main() -> None:
    """Measure each scale in a process of its own, or be that process."""
    arguments = _parser().parse_args()
    if arguments.one:
        measure(Path(arguments.one), arguments)
        return
    with tempfile.TemporaryDirectory() as scratch:
        measured = {scale: _measured(scale, Path(arguments.home or scratch), arguments) for scale in arguments.scale}
    print_table(measured, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", nargs="+", type=float, default=[0.25, 1.0])
    parser.add_argument("--home", help="folder of the homes; default: temporary")
    parser.add_argument("--step", help="the one step to run, from what was materialised before")
    parser.add_argument("--until", help="the last step to run, with all before it")
    parser.add_argument("--epochs", type=int, help="epochs of the training, instead of the recipe's")
    parser.add_argument("--steps", type=int, help="batches of an epoch, instead of all")
    parser.add_argument("--avx2", action="store_true", help="as on a processor with AVX2 only")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser


def _measured(scale: float, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Result of one scale: processor, and by step what `Step` says."""
    home = folder / f"scale_{scale:g}"
    write_scaled(home / "raw", scale)
    environment = os.environ | {"GATEHOUSE_HOME": str(home)} | (ORDINARY if arguments.avx2 else {})
    subprocess.run(
        [sys.executable, "-m", __spec__.name, *sys.argv[1:], "--one", str(home)], env=environment, check=True
    )
    result: dict[str, Any] = json.loads((home / "measured.json").read_text())
    return result


def measure(home: Path, arguments: argparse.Namespace) -> None:
    """Run the job, or some of its steps, in this process and write what was measured."""
    from orchestration.local.home import dagster_instance, log_to_file, prepare_home
    from serving.settings import Settings

    settings = Settings.from_environment(os.environ)
    prepare_home(settings)
    log_to_file(settings)
    if arguments.step in OUTPUTS:
        for former in (home / "data").glob(f"*/*/{OUTPUTS[arguments.step]}"):
            if former.is_dir():  # locks lie beside
                shutil.rmtree(former)
    started = time.monotonic()

    def note() -> None:
        steps = {name: asdict(step) for name, step in meter.steps.items()}
        found = {"processor": processor(), "seconds": time.monotonic() - started, "steps": steps}
        (home / "measured.json").write_text(json.dumps(found))

    meter = Meter(note)
    logging.getLogger().addHandler(meter)
    with dagster_instance() as instance, shorter_training(arguments.epochs, arguments.steps):
        _execute(home, arguments, instance)


def _execute(home: Path, arguments: argparse.Namespace, instance: Any) -> None:
    import dagster as dg

    from orchestration.definitions import defs

    job = defs.resolve_job_def("release_job")
    workspace = {"dataset": "completejourney", "data": str(home / "raw"), "retrain": arguments.step == "towers"}
    config = {"resources": {"workspace": {"config": workspace}}, "loggers": {"terminal": {"config": {"quiet": True}}}}
    chosen = _chosen(arguments, job)
    job.execute_in_process(
        run_config=config, instance=instance, asset_selection=chosen and list(map(dg.AssetKey, chosen))
    )


def _chosen(arguments: argparse.Namespace, job: Any) -> list[str] | None:
    """Assets to materialise; None for all. The three source tables come from one step."""
    import dagster as dg

    graph, source = job.asset_layer.asset_graph, ["events", "users", "items"]
    if arguments.until:
        before = graph.get_ancestor_asset_keys(dg.AssetKey(arguments.until))
        return list({*source, arguments.until, *(key.to_user_string() for key in before)})
    return source if arguments.step == "source" else arguments.step and [arguments.step]


@contextmanager
def shorter_training(epochs: int | None, steps: int | None) -> Iterator[None]:
    """Let every training run so many epochs at most, of so many batches at most."""
    from orchestration.defs import training
    from training.data.training_set import TrainingSet

    recipe, batches = training.recipe, TrainingSet.batches

    def shorter(*args: Any, **kwargs: Any) -> Any:
        config = recipe(*args, **kwargs)
        limit = epochs or config.optimisation.epochs
        return replace(config, optimisation=replace(config.optimisation, epochs=limit))

    def first(self: TrainingSet, *args: Any) -> Any:
        return batches(self, *args)[:steps]

    with patch.object(training, "recipe", shorter), patch.object(TrainingSet, "batches", first):
        yield


def print_table(measured: dict[float, dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Print seconds, processor seconds and peak GiB of each step and scale."""
    for scale, each in measured.items():
        print(f"{scale:g}x: {each['processor']}")
    if arguments.epochs or arguments.steps:
        print(f"the training is cut to {arguments.epochs or 'all'} epochs of {arguments.steps or 'all'} batches")
    print(f"| step | {' | '.join(f'{scale:g}x: s | CPU s | GiB' for scale in measured)} |")
    print("|---|" + "---:|" * (3 * len(measured)))
    for step in dict.fromkeys(name for each in measured.values() for name in each["steps"]):
        print(f"| {step} | {' | '.join(_cells(each['steps'].get(step)) for each in measured.values())} |")
    totals = [
        {
            "seconds": each["seconds"],
            "cpu_seconds": sum(step["cpu_seconds"] for step in each["steps"].values()),
            "peak": max(step["peak"] for step in each["steps"].values()),
        }
        for each in measured.values()
    ]
    print(f"| **whole run** | {' | '.join(map(_cells, totals))} |")


def _cells(step: dict[str, float] | None) -> str:
    return (
        " | | " if step is None else f"{step['seconds']:.1f} | {step['cpu_seconds']:.0f} | {step['peak'] / 2**30:.2f}"
    )


if __name__ == "__main__":
    main()
