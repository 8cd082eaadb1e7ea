"""From the event log to arrays: what a client posted, and nothing that came later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from feature_repo.datasets.canonical import Tables
from feature_repo.events.event import Event, EventKind
from feature_repo.events.forgotten import without_users
from feature_repo.events.frames import as_frame
from feature_repo.events.history import with_log
from feature_repo.events.log import Logged
from serving.experiments.exploration import Exploration, Kind
from tests.unit.feature_repo.events.events_world import NOW, click
from tests.worlds import taste_groups
from training.data.answers import Answers, answers

FILES = taste_groups(users=12, items=8, days=9, per_day=8)
END = NOW + timedelta(days=2)


def posted() -> pl.DataFrame:
    """Ten answers of three items to two users; in each the second one is clicked, from the sixth on too late."""
    events: list[Event] = []
    for number in range(10):
        at = NOW + timedelta(minutes=number)
        answer = replace(click(0), user_id=f"u{number % 2:03}", request_id=f"r{number}", time=at, arrived=at)
        for rank in (3, 1, 2):
            place = {"item_id": f"i{rank:03}", "position": rank, "row": rank, "propensity": 0.5}
            events.append(replace(answer, event_id=f"s{number}{rank}", kind=EventKind.IMPRESSION, **place))  # type: ignore[arg-type]
        late = END if number >= 6 else at + timedelta(seconds=9)
        events.append(replace(answer, event_id=f"c{number}", item_id="i002", time=late, arrived=late, value=2.0))
    return as_frame([Logged(number, event) for number, event in enumerate(sorted(events, key=lambda e: e.arrived), 1)])


def read(tables: Tables) -> Answers:
    asked = tables.users.select("user_id", event_timestamp=pl.lit(NOW - timedelta(days=1)))
    assert tables.impressions is not None
    return answers(tables.impressions, asked, tables.items["item_id"], tables.events, END)


def test_posted_impressions_are_answers_with_the_clicks_that_were_known() -> None:
    tables = with_log(FILES, posted(), END + timedelta(days=1))
    found = read(tables)
    assert tables.items["item_id"].gather(found.slates.item_SL[0]).to_list() == ["i001", "i002", "i003"]
    assert found.slates.item_SL.shape == (10, 3)
    assert found.slates.click_SL[:, 1].sum() == 6 == found.slates.click_SL.sum()
    assert found.slates.reward_SL is not None
    assert found.slates.reward_SL.sum() == 12
    assert found.slates.propensity_SL is not None
    assert set(found.slates.propensity_SL.ravel()) == {0.5}
    assert found.surroundings.names == ("position", "row")
    assert found.account.clicks_unknown == 0


def test_a_forgotten_user_has_no_answer_left() -> None:
    tables = with_log(FILES, posted(), END + timedelta(days=1))
    left = without_users(tables, ["u001"])
    assert left.impressions is not None
    assert set(left.impressions["user_id"]) == {"u000"}
    assert len(read(left).slates) == 5


@pytest.mark.parametrize("kind", Kind)
def test_groups_of_a_random_order_come_back_as_the_service_told_them(kind: Kind) -> None:
    exploration = Exploration(share=0.5, kind=kind, depth=3)
    events, wanted = [], []
    for number in range(40):
        at, request, user = NOW + timedelta(minutes=number), f"r{number}", f"u{number % 12:03}"
        ranks = exploration.order(request, user, 4)
        groups = [*(exploration.groups(request, user, 4) if ranks else [None] * 3), None]
        wanted.append([groups.index(group) + 1 if group else 0 for group in groups])
        answer = replace(click(0), kind=EventKind.IMPRESSION, user_id=user, request_id=request, time=at, arrived=at)
        events += [
            replace(answer, event_id=f"s{number}{rank}", item_id=f"i{rank:03}", position=place, randomised=group)
            for place, (rank, group) in enumerate(zip([*(ranks or range(3)), 3], groups, strict=True), 1)
        ]
    log = as_frame([Logged(number, event) for number, event in enumerate(events, 1)])
    tables = with_log(FILES, log, END + timedelta(days=1))
    assert tables.impressions is not None
    clicked = replace(tables, impressions=tables.impressions.with_columns(click=pl.lit(False)))
    slates = read(clicked).slates
    assert slates.group_SL is not None
    # The first place of a group tells it, whatever its number.
    found = [[row.index(group) + 1 if group else 0 for group in row] for row in slates.group_SL.tolist()]
    assert sorted(found) == sorted(wanted)
    assert {sum(place > 0 for place in row) for row in found} == ({0, 3} if kind is Kind.SLICE else {0, 2})
