"""After the first release: the same input again, a challenger, going back, and a gate that stays shut.

The fixtures are one story in one dataset, each the next chapter; what a chapter left is noted when it ends.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.asset_values import Judged
from serving.registry import Registry
from serving.release.manifest import read
from tests.pipeline.planted import Ended, Home, world, write_world

DATASET = "story"


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A run and what was so after it."""

    version: int
    reused: bool
    outcome: str
    reasons: tuple[str, ...]
    champion: int | None
    versions: list[int]
    alias: str | None
    answers: str
    kept: dict[str, bool]
    """By check, whether its result was that of a former run; also of the online features."""


def kept(home: Home) -> dict[str, bool]:
    """What Dagster shows of checks and online features of the last run; all checks of the data passed."""
    with home.entered(), dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(limit=1)
        records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
        events = [record.event_log_entry.get_dagster_event() for record in records]
        loaded = instance.get_latest_materialization_event(dg.AssetKey("online_features"))
    checks = [event.asset_check_evaluation_data for event in events if event is not None]
    # Those of the verdict are the gate's.
    assert all(check.passed for check in checks if check.asset_key != dg.AssetKey("verdict"))
    # The data are compared with the newest version's in every run, and the gate's rules are told in every run.
    found = [check for check in checks if "reused" in check.metadata]
    assert {check.check_name for check in found} == {"user_expectations", "item_expectations"}
    assert all(("in a former run" in str(check.description)) == check.metadata["reused"].value for check in found)
    assert loaded is not None and loaded.asset_materialization is not None
    online = "reused" in loaded.asset_materialization.metadata
    return {check.check_name: bool(check.metadata["reused"].value) for check in found} | {"online_features": online}


def chapter(home: Home, judged: Judged) -> Chapter:
    verdict = read(Registry(home.settings, DATASET), judged.version.version).verdict
    return Chapter(
        version=judged.version.version,
        reused=judged.version.reused,
        outcome=verdict.outcome.value,
        reasons=verdict.reasons,
        champion=home.champion(DATASET),
        versions=home.versions(DATASET),
        alias=home.alias(DATASET),
        answers=home.answers(DATASET),
        kept=kept(home),
    )


@pytest.fixture(scope="module")
def folder(home: Home) -> Path:
    return write_world(home.root / DATASET, world(DATASET))


@pytest.fixture(scope="module")
def first(home: Home, folder: Path) -> Chapter:
    return chapter(home, home.run(folder))


@pytest.fixture(scope="module")
def again(home: Home, folder: Path, first: Chapter) -> Chapter:
    return chapter(home, home.run(folder))


@pytest.fixture(scope="module")
def challenger(home: Home, folder: Path, again: Chapter) -> Chapter:
    return chapter(home, home.light().run(folder, retrain=True))


@pytest.fixture(scope="module")
def gone_back(home: Home, folder: Path, challenger: Chapter) -> Chapter:
    """The challenger was promoted; it is rolled back, and the same input runs again."""
    ended = home.command("rollback", "--dataset", DATASET, "--json")
    assert ended.data == {"dataset": DATASET, "champion": 1, "override": None}
    lose_online_features(home)
    return chapter(home, home.run(folder))


def lose_online_features(home: Home) -> None:
    """Delete what the online store holds of this dataset."""
    with closing(sqlite3.connect(home.settings.feast_home / "online.db")) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?"
        for (table,) in connection.execute(query, [f"{DATASET}_%"]).fetchall():
            connection.execute(f'DELETE FROM "{table}"')
        connection.commit()


@pytest.fixture(scope="module")
def shut(home: Home, folder: Path, gone_back: Chapter) -> Chapter:
    """A challenger before a gate that asks for more than anything can reach."""
    return chapter(home, home.light().run(folder, seed=1, policy={"floors": {"all/recall@20": 0.99}}))


@pytest.fixture(scope="module")
def overridden(home: Home, shut: Chapter) -> dict[str, Ended]:
    """Promoting the refused version: without a reason, with a blank one, with one; then what is listed."""
    promote = ("promote", str(shut.version), "--dataset", DATASET)
    return {
        "refused": home.command(*promote),
        "blank": home.command(*promote, "--override", "  "),
        "answers": Ended(code=0, out=home.answers(DATASET), err=""),
        "let through": home.command(*promote, "--override", "the old index is lost"),
        "releases": home.command("releases", "--dataset", DATASET),
    }


def test_the_same_input_gives_the_same_version(first: Chapter, again: Chapter) -> None:
    assert (first.reused, again.reused) == (False, True)
    assert again.version == first.version == again.champion == 1
    assert again.versions == [1]
    assert again.answers == first.answers
    assert again.reasons == first.reasons


def test_unchanged_features_keep_their_verdict_and_their_data_docs(home: Home, first: Chapter, again: Chapter) -> None:
    assert first.kept == {"user_expectations": False, "item_expectations": False, "online_features": False}
    assert again.kept == {"user_expectations": True, "item_expectations": True, "online_features": True}
    pages = {path.parent.name for path in (home.settings.home / "data_docs" / DATASET).glob("*/index.html")}
    assert pages == {"user_profile", "user_activity", "user_history", "item_profile", "item_statistics"}


def test_retraining_makes_a_challenger_that_is_compared_with_the_champion(challenger: Chapter) -> None:
    assert (challenger.version, challenger.reused) == (2, False)
    assert challenger.versions == [2, 1]
    compared = [reason for reason in challenger.reasons if "against champion" in reason]
    assert {reason.split()[1] for reason in compared} == {"all/recall@20", "all/ndcg@20"}
    assert not any("no champion" in reason for reason in challenger.reasons)


def test_a_challenger_that_is_as_good_becomes_champion(first: Chapter, challenger: Chapter) -> None:
    """The same seed gives the same weights, which are as good as the champion's."""
    assert (challenger.outcome, challenger.champion) == ("passed", 2)
    assert challenger.alias == "story_items_v2"
    assert challenger.answers == first.answers.replace('"version": 1', '"version": 2')


def test_running_the_same_input_does_not_undo_a_rollback(first: Chapter, gone_back: Chapter) -> None:
    assert (gone_back.version, gone_back.reused, gone_back.outcome) == (2, True, "passed")
    assert gone_back.champion == 1
    assert gone_back.alias == "story_items_v1"
    assert gone_back.answers == first.answers


def test_online_features_that_were_lost_are_loaded_again(first: Chapter, gone_back: Chapter) -> None:
    assert gone_back.kept == {"user_expectations": True, "item_expectations": True, "online_features": False}
    assert gone_back.answers == first.answers


def test_a_failed_gate_leaves_the_champion_in_place(gone_back: Chapter, shut: Chapter) -> None:
    assert (shut.version, shut.outcome) == (3, "failed")
    assert any(reason.startswith("failed: all/recall@20") and "floor" in reason for reason in shut.reasons)
    assert shut.champion == gone_back.champion == 1
    assert shut.alias == gone_back.alias
    assert shut.answers == gone_back.answers


def test_what_failed_is_not_promoted(shut: Chapter, overridden: dict[str, Ended]) -> None:
    for attempt in ("refused", "blank"):
        ended = overridden[attempt]
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith("gatehouse: story version 3 is not promoted: its verdict is failed")
        assert "floor 0.9900" in ended.err
    assert overridden["answers"].out == shut.answers


def test_an_override_needs_a_reason_that_stays(home: Home, overridden: dict[str, Ended]) -> None:
    assert overridden["let through"].out == "champion: story v3, by an override: the old index is lost\n"
    line = next(line for line in overridden["releases"].out.splitlines() if "v3" in line)
    assert line.startswith("*")
    assert line.endswith("promoted against the gate: the old index is lost")


def test_a_verdict_is_not_revised_by_a_milder_policy(home: Home, folder: Path, overridden: Any) -> None:
    """The command says by its exit code that the version it came to was not let through."""
    ended = home.command("run", "--data", folder, "--recipe", "quick", "--seed", "1", "--json")
    assert (ended.code, ended.err) == (3, "")
    assert (ended.data["version"], ended.data["reused"], ended.data["outcome"]) == (3, True, "failed")


def test_nothing_half_written_is_left(home: Home, overridden: Any) -> None:
    assert home.leftovers() == []
