"""Values in lines and tables for people."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from orchestration.reporting.markdown import preview
from orchestration.reporting.text import recommendations_text, releases_text
from serving.answer import Recommendations, Recommended
from serving.registry import OVERRIDE
from tests.unit.serving.memory_registry import MemoryRegistry


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("🛒 käse हिन्दी 👩\u200d👧", "🛒 käse हिन्दी 👩\u200d👧"),
        ("a\nb\t\x1b[31m\u2028\0", r"a\nb\t\x1b[31m\u2028\x00"),
        ("é" * 70_000, "é" * 79 + "…"),
        (["a", "b\x07"], r"['a', 'b\x07']"),
        (1.5, "1.5"),
        (1997.0, "1997"),
        (-3_000_000.0, "-3000000"),
        (float("nan"), "nan"),
    ],
)
def test_an_item_is_one_line_whatever_its_fields_hold(value: object, shown: str) -> None:
    item = Recommended(item_id="i\n1", score=0.5, fields={"group": value, "price": None})
    as_of = datetime(2024, 3, 1, 12)
    answer = Recommendations(user_id="u\n1", version=3, source="two_tower", items=(item,), features_as_of=as_of)
    first, line = recommendations_text(answer).split("\n")
    assert first == r"user u\n1, version 3, from two_tower, features as of 2024-03-01 12:00"
    assert line == rf"   1    0.5000        i\n1  {shown}"


def test_an_answer_names_the_override_by_which_its_version_serves() -> None:
    answer = Recommendations(user_id="u1", version=3, source="popular", items=(), notes=("nobody is known",))
    plain, overridden = recommendations_text(answer), recommendations_text(answer, "<b>why</b>")
    first, note = plain.split("\n")
    assert note == "note: nobody is known"
    assert overridden.split("\n") == [first, "note: version 3 serves by an override: <b>why</b>", note]


def test_the_list_of_versions_has_a_line_for_each_whatever_its_override() -> None:
    registry = MemoryRegistry()
    registry.add("passed")
    registry.add("failed", **{OVERRIDE: "two\nlines\x1b[31m"})
    second, first = releases_text(registry.versions()).split("\n")
    assert second.endswith(r"promoted against the gate: two lines\x1b[31m")
    assert "against the gate" not in first


def test_a_row_of_a_table_is_one_line_with_a_cell_for_each_column() -> None:
    table = pl.DataFrame({"a": ["x|y\n\x01z", "é" * 99], "list": [["p|q", "r"], None]})
    lines = str(preview(table).value).split("\n")
    assert [line.count("|") for line in lines] == [3, 3, 3, 3]
    assert lines[2] == "| x y  z | p q, r, ... |"
