"""Join in memory against hand-made cases.

tests/integration/test_store.py compares it with the feature store.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl
from polars.testing import assert_frame_equal

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Entity
from feature_repo.tables.join import join_as_of

TIME = pl.Datetime("us")


def day(number: int) -> datetime:
    return datetime(2024, 1, number)


def table(*rows: tuple[str, int, int, str]) -> pl.DataFrame:
    """Key, day on which the row became true, day on which it became known, value."""
    values = [(key, day(true), day(known), value) for key, true, known, value in rows]
    schema = {"user_id": pl.String, ENTITY_TIME: TIME, CREATED_TIME: TIME, "city": pl.String}
    return pl.DataFrame(values, schema, orient="row")


def cities(rows: pl.DataFrame, *moments: tuple[str, int]) -> list[str | None]:
    asked = pl.DataFrame(
        [(key, day(number)) for key, number in moments], {"user_id": pl.String, ENTITY_TIME: TIME}, orient="row"
    )
    joined = join_as_of(asked, {"profile": rows}, Entity.USER)
    assert_frame_equal(joined.select("user_id", ENTITY_TIME), asked)
    return joined["city"].to_list()


def test_the_newest_row_at_or_before_the_moment_answers() -> None:
    rows = table(("a", 5, 5, "second"), ("a", 2, 2, "first"), ("b", 1, 1, "other"))
    assert cities(rows, ("a", 9), ("a", 5), ("a", 4), ("a", 1), ("b", 4), ("c", 4)) == [
        "second", "second", "first", None, "other", None,
    ]  # fmt: skip


def test_a_row_answers_only_from_when_it_is_known() -> None:
    rows = table(("a", 2, 2, "old"), ("a", 3, 8, "late"), ("a", 5, 5, "newest"))
    assert cities(rows, ("a", 4), ("a", 6), ("a", 9)) == ["old", "newest", "newest"]


def test_of_equally_old_rows_the_last_created_answers() -> None:
    rows = table(("a", 2, 6, "corrected"), ("a", 2, 2, "wrong"))
    assert cities(rows, ("a", 5), ("a", 6)) == ["wrong", "corrected"]


def test_tables_stand_beside_each_other_and_keep_their_types() -> None:
    lists = pl.DataFrame(
        {"user_id": ["a"], ENTITY_TIME: [day(3)], CREATED_TIME: [day(3)], "items": [["x", "y"]]},
        schema_overrides={ENTITY_TIME: TIME, CREATED_TIME: TIME},
    )
    asked = pl.DataFrame({"user_id": ["a", "a"], ENTITY_TIME: [day(2), day(3)]}, schema_overrides={ENTITY_TIME: TIME})
    joined = join_as_of(asked, {"profile": table(("a", 1, 1, "here")), "history": lists}, Entity.USER)
    assert joined.columns == ["user_id", ENTITY_TIME, "city", "items"]
    assert joined["items"].to_list() == [None, ["x", "y"]]
    assert joined.schema["items"] == pl.List(pl.String)
