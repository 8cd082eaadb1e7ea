"""What all tests share: beside each other, each worker computes on one thread."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before numpy, polars and torch are imported
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(name, "1")

# Feast, once imported, has metrics of all processes added up in one folder: those of other tests too.
for name in ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR"):
    os.environ.pop(name, None)
import prometheus_client  # noqa: E402, F401
