"""experiments.yaml beside a running service: read at the start, and again when it changes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from feature_repo.errors import InputError
from serving.http.experiments.definitions import Definitions

TEXT = """
newer:
  start: 2026-06-01
  end: 2026-06-29
  variants:
    now: {serves: champion, weight: 1}
    seven: {serves: 7, weight: 1}
"""
DURING, AFTER = datetime(2026, 6, 10), datetime(2026, 7, 1)


def running(definitions: Definitions, moment: datetime = DURING) -> str | None:
    found = definitions.running(moment)
    return found.name if found else None


def test_a_change_counts_and_a_mistake_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "experiments.yaml"
    definitions = Definitions(path, "shop")
    assert running(definitions) is None
    path.write_text(TEXT)
    definitions.refresh()
    assert (running(definitions), running(definitions, AFTER)) == ("newer", None)
    path.write_text(TEXT.replace("weight: 1", "weight: heavy"))
    definitions.refresh()
    assert "variant now: weight is 'heavy'; wanted a number above 0" in (definitions.problem or "")
    assert running(definitions) == "newer"
    path.write_text(TEXT.replace("newer", "newest"))
    definitions.refresh()
    assert (definitions.problem, running(definitions)) == (None, "newest")
    path.unlink()
    definitions.refresh()
    assert running(definitions) is None


def test_a_service_does_not_start_with_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "experiments.yaml"
    path.write_text(TEXT.replace("serves: 7", "serves: seven"))
    with pytest.raises(InputError, match=r"experiments.yaml, newer, variant seven: serves 'seven'; wanted"):
        Definitions(path, "shop")


def test_experiments_of_another_dataset_do_not_run(tmp_path: Path) -> None:
    path = tmp_path / "experiments.yaml"
    path.write_text(TEXT.replace("newer:\n", "newer:\n  dataset: films\n"))
    assert running(Definitions(path, "shop")) is None
    assert running(Definitions(path, "films")) == "newer"


def test_an_exploration_changes_with_the_file_and_a_mistake_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "experiments.yaml"
    definitions = Definitions(path, "shop")
    assert definitions.exploration is None
    path.write_text(f"{TEXT}exploration: {{share: 0.02, kind: swap}}\n")
    definitions.refresh()
    assert definitions.exploration is not None
    path.write_text(TEXT.replace("newer", "newest") + "exploration: {share: 20, kind: swap}\n")
    definitions.refresh()
    assert "exploration: share is 20; wanted at most 1" in (definitions.problem or "")
    assert (definitions.exploration.share, running(definitions)) == (0.02, "newer")
    path.write_text(TEXT)
    definitions.refresh()
    assert definitions.exploration is None
