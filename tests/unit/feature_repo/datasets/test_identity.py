"""Which logs continue the one that a dataset's name stood for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import polars as pl
import pytest

from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.identity import Identity
from tests.worlds import taste_groups


@pytest.fixture(scope="module")
def tables() -> Tables:
    return taste_groups(users=400)


def changed(tables: Tables, *, events: pl.DataFrame | None = None, ids: str = "") -> Tables:
    """Other events, or other ids."""
    names = pl.col("user_id") + ids, pl.col("item_id") + ids
    log = (tables.events if events is None else events).with_columns(*names)
    return replace(
        tables, events=log, users=tables.users.with_columns(names[0]), items=tables.items.with_columns(names[1])
    )


def test_a_log_that_grew_and_lost_a_user_is_the_same_in_any_folder(tables: Tables) -> None:
    former = Identity.of(changed(tables, events=tables.events.head(tables.events.height // 20)))
    gone = tables.users["user_id"][0]
    now = replace(
        tables,
        events=tables.events.filter(pl.col("user_id") != gone),
        users=tables.users.filter(pl.col("user_id") != gone),
    )
    for same_folder in (False, True):
        assert Identity.of(now).difference(former, same_folder=same_folder) is None


def test_other_ids_are_another_dataset_even_in_the_same_folder(tables: Tables) -> None:
    other = Identity.of(changed(tables, ids="x"))
    for same_folder in (False, True):
        difference = other.difference(Identity.of(tables), same_folder=same_folder)
        assert difference is not None
        assert "0 of 64 users and 0 of 64 items" in difference


def test_the_same_ids_with_other_events_are_the_same_only_in_the_same_folder(tables: Tables) -> None:
    """Two shops may both number their users from 1; one folder may hold the newest month alone."""
    later = tables.events.with_columns(pl.col("timestamp", "created") + timedelta(days=90))
    other = Identity.of(changed(tables, events=later))
    assert other.difference(Identity.of(tables), same_folder=True) is None
    difference = other.difference(Identity.of(tables), same_folder=False)
    assert difference is not None
    assert "64 of 64 users" in difference


def test_the_samples_are_the_smallest_hashes(tables: Tables) -> None:
    """Kept with every dataset's name: another way to hash would make strangers of all."""
    for ids in (tables.users["user_id"].to_list(), ["Ü'\n", "0" * 70_000, "a\0b", "a"]):
        wanted = sorted(sha256(id_.encode()).hexdigest()[:8] for id_ in ids)[:64]
        assert Identity.of(replace(tables, users=pl.DataFrame({"user_id": ids}))).users == set(wanted)


def test_its_text_fits_a_tag_and_is_read_again(tables: Tables) -> None:
    identity = Identity.of(tables)
    assert len(identity.to_text()) < 4_000
    assert Identity.from_text(identity.to_text()) == identity
    assert len(identity.events) == 256
