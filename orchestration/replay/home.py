"""Home of a replay: one of its own, so that nothing it does reaches the services of production."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration.local.home import prepare_home
from serving.settings import Settings

POLICY = "GATEHOUSE_POLICY"
KEPT = {POLICY, "GATEHOUSE_FEATURES_BEHIND_DAYS", "GATEHOUSE_SEARCH", "GATEHOUSE_TEXT_ENCODERS"}
"""Variables that decide what a run does; all others name services, or tell people."""


def kept_variables() -> dict[str, str]:
    """Variables that decide what a run does and are set, without the policy, whose text decides."""
    return {name: os.environ[name] for name in sorted(KEPT - {POLICY}) if os.environ.get(name)}


@contextmanager
def own_home(home: Path) -> Iterator[Settings]:
    """Run a block in the home of a replay, with files instead of services."""
    former = dict(os.environ)
    for name in [name for name in former if name.startswith("GATEHOUSE_") and name not in KEPT]:
        del os.environ[name]
    os.environ["GATEHOUSE_HOME"] = str(home)
    try:
        settings = Settings.from_environment(os.environ)
        prepare_home(settings)
        yield settings
    finally:
        os.environ.clear()
        os.environ.update(former)
