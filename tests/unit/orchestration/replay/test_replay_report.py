"""What a replay concludes, from nights whose right answer is known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_repo.errors import InputError
from orchestration.replay.plan import ReplayPlan, check_name, keep_plan, whole_days
from orchestration.replay.record import Night, Records
from orchestration.replay.report import find, report_data
from orchestration.replay.strategies import FULL_AND_REFIT, FULL_AND_UPDATES, FULL_ONLY, NEVER
from orchestration.replay.text import replay_markdown

START = datetime(2024, 3, 1)


def nights_of(full: float, update: float, *, noise: float, refit: float | None = None, number: int = 28) -> list[Night]:
    """A full training each week, updates between; each adds a share to what the first version has.

    Args:
        full: what a week of age costs the first version, as full trainings show.
        update: what an update adds to that.
        noise: standard deviation between the nights, alike for all versions.
        refit: what a refit adds to its full training; None for none.
        number: number of nights.
    """
    rng, found, last = np.random.default_rng(0), [], 0
    for t in range(number):
        is_full = t % 7 == 0
        last = t + 1 if is_full else last
        level = 0.2 * (1 + noise * rng.standard_normal())
        own = {name: 0.02 * level * rng.standard_normal() for name in ("first", "full", "now", "refit")}
        first, newest = level + own["first"], level * (1 + full * bool(t >= 7)) + own["full"]
        metrics = {
            "v1": first,
            f"v{last}": newest if last > 1 else first,
            f"v{t + 1}": newest + level * update + own["now"] if not is_full else (newest if last > 1 else first),
            "popularity": 0.05,
            "personal_frequency": 0.1,
        }
        if refit is not None:
            metrics[f"v{1000 + last}"] = newest + level * refit + own["refit"]
        found.append(
            Night(
                moment=START + timedelta(days=t),
                kind="full" if is_full else "update",
                version=t + 1,
                outcome="passed",
                champion=t + 1,
                refitted=1000 + last if refit is not None and is_full else None,
                seconds=100.0 if is_full else 10.0,
                refit_seconds=30.0 if refit is not None and is_full else 0.0,
                metrics={name: {"all/recall@20": value, "all/ndcg@20": value} for name, value in metrics.items()},
                users=100,
            )
        )
    return found


PLAN = ReplayPlan(start=START, end=START + timedelta(days=28), every=1, full=7, workspace={"seed": 0}, code="")


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize(
    ("full", "update", "choice"),
    [(0.0, 0.0, NEVER), (0.2, 0.0, FULL_ONLY), (0.2, 0.1, FULL_AND_UPDATES), (0.0, 0.1, FULL_AND_UPDATES)],
)
def test_the_cheapest_strategy_is_chosen_that_none_beats(full: float, update: float, choice: str, noise: float) -> None:
    """Nights differ far more than versions, but all versions of a night alike."""
    data = report_data(find(nights_of(full, update, noise=noise)), seed=0)
    assert data["choice"] == choice


@pytest.mark.parametrize("found", [[0.0] * 28, [0.0] * 27 + [0.001]])
def test_a_first_version_that_finds_nothing_is_beaten(found: list[float]) -> None:
    """Nothing is divided by what it finds on nights that were drawn by chance."""
    nights = nights_of(0.2, 0.0, noise=0.1)
    for t, (night, value) in enumerate(zip(nights, found, strict=True)):
        zeros = {name: {"all/recall@20": 0.0} for name in night.metrics} if t < 7 else {}  # it alone, or its updates
        night.metrics.update(zeros | {"v1": {"all/recall@20": value}})
    data = report_data(find(nights), seed=0)
    assert data["choice"] == FULL_ONLY
    json.dumps(data, allow_nan=False)
    assert data["by week"][0]["share"] is None
    row = data["systems"][FULL_ONLY]
    assert row["beside never retrained"] is None and row["difference"][1] > 0.1
    text = replay_markdown("shop", PLAN, data)
    assert "nan" not in text and "inf" not in text and "That is +0.1" in text


def test_a_single_night_asks_for_no_further_training() -> None:
    assert report_data(find(nights_of(0.1, 0.1, noise=0.1, number=1)), seed=0)["choice"] == NEVER


def test_each_strategy_pays_for_its_own_trainings() -> None:
    data = report_data(find(nights_of(0.1, 0.1, noise=0.1, refit=0.2)), seed=0)
    assert {name: row["seconds"] for name, row in data["systems"].items()} == {
        FULL_AND_UPDATES: 4 * 100.0 + 24 * 10.0,
        FULL_AND_REFIT: 400.0,
        FULL_ONLY: 4 * 70.0,
        NEVER: 70.0,
        "personal_frequency": 0.0,
    }


def test_refits_are_a_strategy_where_there_are_any() -> None:
    data = report_data(find(nights_of(0.2, 0.0, noise=0.1, refit=0.3)), seed=0)
    assert data["choice"] == FULL_AND_REFIT
    assert FULL_AND_REFIT not in report_data(find(nights_of(0.2, 0.0, noise=0.1)), seed=0)["systems"]
    of_updates = [replace(n, refitted=None if n.kind == "full" else n.version) for n in nights_of(0.2, 0.0, noise=0.1)]
    assert FULL_AND_REFIT not in report_data(find(of_updates), seed=0)["systems"]


def test_a_failed_training_serves_nobody_and_is_paid_for() -> None:
    nights = nights_of(0.2, 0.0, noise=0.0)
    failed = [
        Night(**{**vars(night), "outcome": "failed", "champion": nights[t - t % 7 - 1].version})
        if t >= 7 and night.kind == "full"
        else night
        for t, night in enumerate(nights)
    ]
    data = report_data(find(failed), seed=0)
    assert data["systems"][FULL_ONLY]["beside never retrained"][0] == 0.0
    assert data["systems"][FULL_ONLY]["seconds"] == 400.0
    assert data["runs"]["failed"] == 3


def test_nights_without_users_or_a_version_do_not_count_but_cost() -> None:
    nights = nights_of(0.2, 0.0, noise=0.0)
    nights[3] = Night(**{**vars(nights[3]), "metrics": {}, "users": 0})
    data = report_data(find(nights), seed=0)
    assert (data["nights"], data["left out"]) == (27, 1)
    assert data["systems"][FULL_AND_UPDATES]["seconds"] == 640.0


def test_a_replay_that_promoted_nothing_says_so() -> None:
    nights = [
        Night(moment=START, kind="full", version=1, outcome="failed", metrics={"popularity": {"all/recall@20": 1}})
    ]
    data = report_data(find(nights), seed=0)
    assert data["choice"] is None
    assert "nothing to compare" in replay_markdown("shop", PLAN, data)


def test_the_text_answers_the_question_and_names_a_better_baseline() -> None:
    text = replay_markdown("shop", PLAN, report_data(find(nights_of(0.2, 0.0, noise=0.1)), seed=0))
    assert "**How often should I retrain?** In full every 7 days" in text
    assert "personal_frequency |" in text and "But personal" not in text
    nights = nights_of(0.2, 0.0, noise=0.1)
    for night in nights:
        night.metrics["personal_frequency"]["all/recall@20"] = 0.9
    assert "But personal_frequency" in replay_markdown("shop", PLAN, report_data(find(nights), seed=0))


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    records, night = Records(tmp_path), nights_of(0.1, 0.1, noise=0.1)[3]
    assert records.read(night.moment) is None
    records.write(night)
    assert records.read(night.moment) == night


def test_a_record_of_before_refits_were_timed_is_read(tmp_path: Path) -> None:
    records, night = Records(tmp_path), nights_of(0.1, 0.1, noise=0.1, refit=0.1)[0]
    records.write(night)
    [path] = (tmp_path / "nights").iterdir()
    former = json.loads(path.read_text())
    del former["refit_seconds"]
    path.write_text(json.dumps(former))
    assert records.read(night.moment) == replace(night, refit_seconds=0.0)


def test_a_night_that_is_begun_again_keeps_what_it_began(tmp_path: Path) -> None:
    assert Records(tmp_path).begin(START, "update", 4) == ("update", 4)
    assert Records(tmp_path).begin(START, "update", 5) == ("update", 4)


def test_a_longer_replay_goes_on_and_another_one_is_refused(tmp_path: Path) -> None:
    keep_plan(PLAN, tmp_path)
    keep_plan(ReplayPlan(**{**vars(PLAN), "end": START + timedelta(days=50)}), tmp_path)
    with pytest.raises(InputError, match=r"full: 7, now 14.*--name"):
        keep_plan(ReplayPlan(**{**vars(PLAN), "full": 14}), tmp_path)


@pytest.mark.parametrize("change", [{"policy": "b"}, {"variables": {"GATEHOUSE_SEARCH": "milvus"}}])
def test_nights_of_another_policy_are_no_part_of_the_replay(tmp_path: Path, change: dict[str, Any]) -> None:
    plan = replace(PLAN, policy="a")
    keep_plan(plan, tmp_path)
    with pytest.raises(InputError, match="another replay"):
        keep_plan(replace(plan, **change), tmp_path)


def test_a_plan_of_before_policies_were_noted_goes_on(tmp_path: Path) -> None:
    keep_plan(PLAN, tmp_path)
    path = tmp_path / "replay.json"
    former = json.loads(path.read_text())
    del former["policy"], former["variables"]
    path.write_text(json.dumps(former))
    keep_plan(replace(PLAN, policy="a"), tmp_path)
    with pytest.raises(InputError, match="full: 7, now 14"):
        keep_plan(replace(PLAN, policy="a", full=14), tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"end": START}, "wanted a later --to"),
        ({"every": 2}, "wanted a multiple"),
        ({"start": START + timedelta(hours=5)}, "wanted a day, such as 2024-03-01"),
    ],
)
def test_a_plan_that_cannot_be_walked_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        ReplayPlan(**{**vars(PLAN), **change})


def test_times_and_names() -> None:
    assert (whole_days("--every", "1d"), whole_days("--every", "2w")) == (1, 14)
    for text in ("0d", "1", "d", "-1d", "1h", "1.5d"):
        with pytest.raises(InputError, match="--every is"):
            whole_days("--every", text)
    for name in ("../x", "", "a/b", "." * 3):
        with pytest.raises(InputError, match="--name is"):
            check_name(name)
