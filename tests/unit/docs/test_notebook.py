"""The notebook of the guide runs, and what it shows was found by running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.notebook import Cell, execute

NOTEBOOK = Path(__file__).parents[3] / "docs" / "guide" / "notebook.ipynb"


@pytest.fixture(scope="module")
def run() -> tuple[dict[str, Any], list[Cell]]:
    """Variables and cells after a run."""
    namespace: dict[str, Any] = {"__name__": "__notebook__"}
    return namespace, execute(NOTEBOOK, namespace)


def test_it_goes_from_ratings_to_recommendations_with_names(run: tuple[dict[str, Any], list[Cell]]) -> None:
    namespace, _ = run
    events, found = namespace["events"], namespace["found"]
    assert (events.height, events["user_id"].n_unique(), namespace["items"].height) == (100_000, 943, 1_682)
    assert found["source"].to_list() == ["two_tower"] * 5 + ["popular"] * 5
    assert found["title"].null_count() == 0


def test_the_towers_find_the_planted_tastes(run: tuple[dict[str, Any], list[Cell]]) -> None:
    namespace, _ = run
    leads = namespace["table"].filter(pl.col("system") != "two_tower").select("system", "lead_low")
    assert dict(leads.iter_rows())["popularity"] > 0.05
    assert set(leads["system"]) == {"popularity", "als", "item_knn", "ease"}


def test_it_shows_two_plots(run: tuple[dict[str, Any], list[Cell]]) -> None:
    _, cells = run
    assert sum("image/png" in each.get("data", {}) for each in shown(cells)) == 2


def test_committed_outputs_are_those_of_a_run(run: tuple[dict[str, Any], list[Cell]]) -> None:
    _, cells = run
    committed = json.loads(NOTEBOOK.read_text())["cells"]
    assert [len(cell.get("outputs", [])) for cell in committed] == [len(cell.get("outputs", [])) for cell in cells]
    assert printed(committed) == printed(cells)
    assert not any(path in NOTEBOOK.read_text() for path in ("/home/", "/tmp/", "/work/", "/Users/", " at 0x"))


def shown(cells: list[Cell]) -> list[Cell]:
    return [output for cell in cells for output in cell.get("outputs", [])]


def printed(cells: list[Cell]) -> list[str]:
    """Printed text: of the data alone, so the same on every machine."""
    return ["".join(each["text"]) for each in shown(cells) if each["output_type"] == "stream"]
