"""Feast is imported without typeguard's work, and typeguard is left as it was."""

from __future__ import annotations

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
print("checked" if any(name.startswith("check_argument_types") for name in names) else "plain")
"""


def test_classes_of_feast_are_not_compiled_again() -> None:
    done = subprocess.run([sys.executable, "-c", WORK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "plain"
