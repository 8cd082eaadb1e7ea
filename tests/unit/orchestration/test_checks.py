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


def test_tables_that_passed(features: Features) -> None:
    features.folder.with_suffix(".checked.json").write_text("[]")
    require_checked(features)


def test_unchecked_tables_are_refused(features: Features) -> None:
    with pytest.raises(RuntimeError, match="never validated"):
        require_checked(features)


def test_tables_that_failed(features: Features) -> None:
    features.folder.with_suffix(".checked.json").write_text(
        json.dumps(["user_activity: 3 rows", "user_history: 1 row"])
    )
    with pytest.raises(RuntimeError, match="failed its expectations: user_activity: 3 rows; user_history: 1 row"):
        require_checked(features)
