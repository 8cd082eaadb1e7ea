"""Feast is imported without typeguard's work, and typeguard, warnings and metrics are left as they were."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
WORK = """
import typeguard, warnings
from feature_repo.store.feast_import import plain_import
before, filters = typeguard.typechecked, list(warnings.filters)
with plain_import():
    from feast import Entity
assert typeguard.typechecked is before and warnings.filters == filters
assert Entity(name="user", join_keys=["user_id"]).join_key == "user_id"
names = Entity.__init__.__code__.co_names
import os
from prometheus_client import CollectorRegistry, Counter
counters = [Counter("events", "Events.", registry=CollectorRegistry()) for _ in range(2)]
counters[0].inc()
assert counters[1].collect()[0].samples[0].value == 0
assert not any("PROMETHEUS" in name for name in os.environ)
print("checked" if any(name.startswith("check_argument_types") for name in names) else "plain")
"""


def test_classes_of_feast_are_not_compiled_again() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROMETHEUS")}
    command = [sys.executable, "-c", WORK]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "plain"
