"""Which registered versions can be used, and why others cannot."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from serving.registry import INPUT_KEY
from serving.registry.listing import RunState, Version, listing_of

GOOD = Version(number=1, created=datetime(2024, 1, 1), ready=True, run_id="a", tags={INPUT_KEY: "key"})
DONE = RunState(finished=True, deleted=False, metrics={"all/recall_at_20": 0.5})


def test_a_complete_version_is_listed_with_its_metrics_and_aliases() -> None:
    found = listing_of([GOOD, replace(GOOD, number=2)], {"a": DONE}, {"champion": 1, "canary": 2})
    assert [(each.version, each.champion, each.aliases) for each in found.versions] == [
        (2, False, ("canary",)),
        (1, True, ("champion",)),
    ]
    assert found.versions[0].metrics == {"all/recall@20": 0.5}
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("version", "run"),
    [(GOOD, replace(DONE, finished=False)), (replace(GOOD, ready=False), DONE)],
)
def test_what_is_not_finished_is_neither_listed_nor_a_problem(version: Version, run: RunState) -> None:
    found = listing_of([version], {"a": run}, {})
    assert (found.versions, found.skipped) == ((), ())


@pytest.mark.parametrize(
    ("version", "runs", "said"),
    [
        (GOOD, {}, "version 1 has lost its run"),
        (GOOD, {"a": replace(DONE, deleted=True)}, "version 1 has a run that was deleted"),
        (replace(GOOD, run_id=None), {"a": DONE}, "version 1 was not registered by Gatehouse"),
        (replace(GOOD, tags={}), {"a": DONE}, "version 1 was not registered by Gatehouse"),
    ],
)
def test_what_people_did_by_hand_is_named(version: Version, runs: dict[str, RunState], said: str) -> None:
    found = listing_of([version], runs, {})
    assert found.versions == ()
    assert found.skipped[0].startswith(said)
