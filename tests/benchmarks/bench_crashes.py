"""Kill the commands of the scenarios, and print what came of it.

python -m tests.benchmarks.bench_crashes [--only first] [--json] [SCENARIO...]

Two processes, `--every 2` and `--every 2 --skip 1`, halve the time on two cores.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from serving.registry.connection import ENVIRONMENT
from tests.crashes.scenario import SCENARIOS
from tests.crashes.survival import Trials

PRELOADED = (
    "mlflow",
    "pymilvus",
    "milvus_lite.server_manager",
    "torch",
    "orchestration.cleaning",
    "serving.retriever",
)
"""What the commands import, so that forked processes have it; nothing of it starts a thread that they would miss."""


def main() -> int:
    os.environ.update(ENVIRONMENT)
    for name in PRELOADED:
        importlib.import_module(name)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    sys.modules["torch"].set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="names; by default all")
    parser.add_argument("--only", default="all", choices=("all", "first"), help="first: one point of each place")
    parser.add_argument("--every", type=int, default=1, help="take each n-th point")
    parser.add_argument("--skip", type=int, default=0, help="points to leave out before the first one taken")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each trial")
    asked = parser.parse_args()
    died, folder = 0, Path(tempfile.mkdtemp(prefix="crashes-"))
    for scenario in SCENARIOS:
        if asked.scenarios and scenario.name not in asked.scenarios:
            continue
        trials = Trials(scenario, folder)
        survived = 0
        points = trials.points(asked.only)[asked.skip :: asked.every]
        for trial in trials.run(points):
            survived += not trial.faults
            if asked.json:
                print(json.dumps(asdict(trial)), flush=True)
            elif trial.faults:
                print(f"{trial.scenario} {trial.point} {trial.place}: {'; '.join(trial.faults)}", flush=True)
        died += len(points) - survived
        if not asked.json:
            print(
                f"{scenario.name}: {len(trials.writes)} writes, killed before {len(points)}, survived {survived}",
                flush=True,
            )
    shutil.rmtree(folder)
    return 1 if died else 0


if __name__ == "__main__":
    sys.exit(main())
