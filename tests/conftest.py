"""What all tests share: beside each other, each worker computes on one thread; commits do not wait for the disk."""

from __future__ import annotations

import gc
import os
from collections import defaultdict
from pathlib import Path

import pytest

gc.disable()  # while 300 modules are imported, of which nothing is garbage: until `pytest_collection_finish`

if "PYTEST_XDIST_WORKER" in os.environ:  # before numpy, polars and torch are imported
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(name, "1")

# Feast, once imported, has metrics of all processes added up in one folder: those of other tests too.
for name in ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR"):
    os.environ.pop(name, None)
import prometheus_client  # noqa: E402, F401

import tests.unflushed.sitecustomize  # noqa: E402, F401

# The processes that tests start do the same, workers among them.
ROOT = Path(__file__).parents[1]
PYTHONPATH = [str(ROOT), str(ROOT / "tests" / "unflushed"), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(os.pathsep.join(PYTHONPATH).split(os.pathsep)))


@pytest.hookimpl(trylast=True)  # of the tests that are left
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of slow tests that may take longest, so that the workers end together."""
    seconds: defaultdict[Path, float] = defaultdict(float)
    for each in items:
        limit = each.get_closest_marker("timeout")
        if limit and each.get_closest_marker("slow"):
            seconds[each.path] = max(seconds[each.path], limit.args[0])
    items.sort(key=lambda each: -seconds[each.path])


def pytest_collection_finish() -> None:
    """Collect garbage from here on, and look for it in what tests make, not in a million objects of modules."""
    if not gc.isenabled():  # a run of named tests inside a test has been here before
        gc.freeze()
        gc.enable()
