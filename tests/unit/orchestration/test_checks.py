"""Feature tables are used only after they passed their checks."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from orchestration.asset_values import Features, Source
from orchestration.defs.checks import require_checked

START = datetime(2024, 1, 1)


@pytest.fixture
def features(tmp_path: Path) -> Features:
    source = Source(dataset="shop", folder=tmp_path, sha256="", as_of=START, validation_start=START, cut=START)
    return Features(source=source, folder=tmp_path / "user")


def keep(features: Features, **failures: list[str]) -> None:
    """Reports of views with these failures."""
    report = {"success": True, "expectations": 1, "docs": "index.html", "summary": []}
    reports = {view: report | {"failures": found} for view, found in failures.items()}
    features.folder.with_suffix(".checked.json").write_text(json.dumps({"key": "", "reports": reports}))


def test_tables_that_passed(features: Features) -> None:
    keep(features, user_activity=[])
    require_checked(features)


def test_unchecked_tables_are_refused(features: Features) -> None:
    with pytest.raises(RuntimeError, match="never validated"):
        require_checked(features)


def test_tables_that_failed(features: Features) -> None:
    keep(features, user_activity=["user_activity: 3 rows"], user_history=["user_history: 1 row"], user_profile=[])
    with pytest.raises(RuntimeError, match="failed its expectations: user_activity: 3 rows; user_history: 1 row"):
        require_checked(features)
