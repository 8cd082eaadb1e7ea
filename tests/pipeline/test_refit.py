"""Nights with refits: what serves has learned from the hold-out, and what is judged has not.

The fixtures are one story, each the next night.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
import torch

import training.refit
from orchestration.definitions import defs
from orchestration.local.home import dagster_instance
from serving.model.bundle import ModelBundle
from serving.registry import Registry, Training
from serving.release.manifest import Manifest, read
from serving.release.retention import kept_versions
from tests.pipeline.nights_world import Night, Shop, alike, new_shop
from tests.pipeline.planted import Home
from training.untrained import Fitted

DATASET = "refits"
NEW = "new00"
"""An item of which everything happens in the hold-out of the first night."""
GUARDS = {"overlap": 0.2, "score_shift": 0.9, "dims": 0.5}
LAX: dict[str, Any] = {"refit": GUARDS, "update": GUARDS}
"""Towers of three epochs on a world this small are no model of stability."""
OPEN = {"regression": {"metrics": ["all/recall@20"], "max_drop": 0.3}}


@dataclass(frozen=True)
class Story:
    """Nights by name, and the champion after each."""

    shop: Shop
    nights: dict[str, Night]
    updates: dict[str, dict[str, Any]]
    """What the updates between two nights did."""

    def manifest(self, version: int) -> Manifest:
        return read(self.shop.registry, version)

    def version(self, night: str) -> int:
        """The judged version of a night."""
        return int(self.nights[night].ended.data["version"])

    def refit(self, night: str) -> Manifest:
        data = self.nights[night].ended.data
        assert data["refit"], data["reasons"]
        return self.manifest(data["refit"]["version"])


@pytest.fixture(scope="module")
def home(home: Home) -> Home:
    return home.light()


@pytest.fixture(scope="module")
def story(home: Home) -> Iterator[Story]:
    shop = new_shop(home, DATASET)
    shop.log = with_new_item(shop, first_day=41)
    shop.log.items.write_csv(shop.folder / "items.csv")
    nights: dict[str, Night] = {}

    def night(name: str, days: int, *options: str, **policy: Any) -> None:
        shop.export(days)
        nights[name] = shop.night(name, *options, **OPEN, **(policy or LAX))

    with pytest.MonkeyPatch.context() as patch:
        night("first", 44, "--refit")
        night("again", 44, "--refit")
        night("second", 46, refit=GUARDS | {"after_pass": True})
        nights["rolled back"] = shop.asked(home.command("rollback", "--dataset", DATASET))
        night("update", 48, "--update", "champion", "--refit")
        shop.export(50)
        updates = {"half past": half_hour(shop), "again": half_hour(shop)}
        patch.setattr(training.refit, "fit", collapsed(training.refit.fit))
        night("collapsed", 52, "--refit")
    yield Story(shop, nights, updates)


def half_hour(shop: Shop) -> dict[str, Any]:
    """Metadata of an update between two releases."""
    options = {"dataset": "own", "data": str(shop.folder), "recipe": "quick"}
    with shop.home.entered(**OPEN, **LAX), dagster_instance() as instance:
        job = defs.resolve_job_def("update_job")
        result = job.execute_in_process({"resources": {"workspace": {"config": options}}}, instance=instance)
        (done,) = result.asset_materializations_for_node("id_update")
    return {name: value.value for name, value in done.metadata.items()}


def with_new_item(shop: Shop, first_day: int) -> Any:
    """The log with an item that one in 25 events takes from a day on."""
    from dataclasses import replace

    log = shop.log
    start = log.events["timestamp"].min() + timedelta(days=first_day)  # type: ignore[operator]
    late = (pl.col("timestamp") >= start) & (pl.int_range(pl.len()) % 25 == 0)
    events = log.events.with_columns(item_id=pl.when(late).then(pl.lit(NEW)).otherwise("item_id"))
    items = pl.concat([log.items, log.items.head(1).with_columns(item_id=pl.lit(NEW))])
    return replace(log, events=events, items=items)


def collapsed(fit: Any) -> Any:
    """A training whose towers embed everything alike."""

    def broken(**given: Any) -> Fitted:
        fitted: Fitted = fit(**given)
        with torch.no_grad():
            for weight in fitted.model.item.parameters():
                weight.zero_() if weight.dim() > 1 else weight.fill_(1)
        return fitted

    return broken


def vocabulary(shop: Shop, version: int) -> set[str]:
    encoder = ModelBundle.from_folder(shop.registry.download(version)).item.encoder
    return set(encoder.vocabularies[encoder.key])


def test_the_refit_serves_and_knows_what_its_judged_twin_cannot(story: Story) -> None:
    first, refit = story.nights["first"], story.refit("first")
    twin = story.manifest(story.version("first"))
    assert first.champion == refit.version != twin.version
    assert (refit.training, refit.parent, refit.judged) == (Training.REFIT, twin.version, twin.version)
    assert refit.cut == twin.as_of > twin.cut
    assert NEW in vocabulary(story.shop, refit.version)
    assert NEW not in vocabulary(story.shop, twin.version)


@pytest.mark.parametrize("night", ["first", "again", "second", "rolled back", "update", "collapsed"])
def test_the_answers_are_those_of_a_fresh_computation(story: Story, night: str) -> None:
    alike(story.nights[night].answers, story.nights[night].fresh)


def test_its_verdict_says_that_quality_was_not_asked(story: Story) -> None:
    reasons = story.refit("first").verdict.reasons
    assert f"quality is not asked on the hold-out from {story.manifest(story.version('first')).cut}" in reasons[0]
    assert {reason.split(":")[0] for reason in reasons} == {"passed"}
    assert any(reason.startswith("passed: index recall 1.0") for reason in reasons)


def test_the_same_input_gives_the_same_refit(story: Story) -> None:
    assert story.refit("again") == story.refit("first")
    assert story.nights["again"].champion == story.nights["first"].champion


def test_the_next_challenger_is_compared_with_the_judged_twin_of_what_serves(story: Story) -> None:
    twin, challenger = story.manifest(story.version("first")), story.manifest(story.version("second"))
    assert challenger.against == story.refit("first").version
    assert challenger.cut < story.refit("first").cut  # which has seen the answers
    reasons = story.nights["second"].ended.data["reasons"]
    assert any("against champion" in reason for reason in reasons)
    assert not any("past the hold-out's start" in reason for reason in reasons)
    folder = story.shop.home.settings.home / "data" / story.shop.dataset
    (evaluation,) = folder.rglob(f"v{challenger.version}/evaluation_*/evaluation.json")
    assert json.loads(evaluation.read_text())["champion_cut"] == twin.cut.isoformat()


def test_the_policy_turns_refits_on(story: Story) -> None:
    assert story.nights["second"].champion == story.refit("second").version


def test_a_rollback_goes_to_the_refit_that_served(story: Story) -> None:
    assert story.nights["rolled back"].champion == story.refit("first").version
    assert story.nights["rolled back"].answers[0][0] == story.refit("first").version


def test_an_update_of_a_refit_starts_from_its_twin(story: Story) -> None:
    """The refit has learned from the hold-out of the update."""
    update = story.manifest(story.version("update"))
    assert (update.training, update.parent) == (Training.UPDATE, story.version("first"))
    refit = story.refit("update")
    assert story.nights["update"].champion == refit.version
    assert refit.cut == update.as_of


def test_an_update_between_two_nights_learns_what_is_new_and_serves(story: Story) -> None:
    done, before = story.updates["half past"], story.refit("update")
    update = story.manifest(done["version"])
    assert done["champion"] == update.version
    assert (done["updated from"], done["judged twin"]) == (before.version, story.version("update"))
    assert (update.training, update.judged) == (Training.REFIT, story.version("update"))
    assert update.cut == update.as_of > before.cut
    assert vocabulary(story.shop, update.version) >= vocabulary(story.shop, before.version)
    assert story.updates["half past"]["dataset"] == DATASET and "reasons" in story.updates["half past"]  # for alerts


def test_an_update_with_nothing_new_is_skipped_with_a_reason(story: Story) -> None:
    again, version = story.updates["again"], story.updates["half past"]["version"]
    assert again["champion"] == version
    assert again["skipped"].startswith(f"nothing to update by: version {version} has learned until")


def test_a_night_after_updates_is_compared_with_the_version_they_stand_beside(story: Story) -> None:
    challenger = story.manifest(story.version("collapsed"))
    assert challenger.against == story.updates["half past"]["version"]
    assert not any("past the hold-out's start" in reason for reason in challenger.verdict.reasons)


def test_the_guards_stop_a_collapsed_refit_and_its_twin_serves(story: Story) -> None:
    refit = story.refit("collapsed")
    assert refit.verdict.outcome == "failed"
    assert any("failed: effective dimensions of items" in reason for reason in refit.verdict.reasons), refit.metrics
    assert story.nights["collapsed"].champion == story.version("collapsed")


def test_refits_are_verified_by_their_own_training_set(home: Home, story: Story) -> None:
    for night in ("first", "update"):
        found = home.command("verify", str(story.refit(night).version), "--dataset", DATASET, "--json")
        assert found.code == 0 and set(found.data.values()) == {"holds"}, found.out


def test_a_kept_refit_keeps_its_twin(story: Story) -> None:
    registry = Registry(story.shop.home.settings, DATASET)
    kept = kept_versions(registry, 0)
    target = story.updates["half past"]["version"]  # a rollback goes to it, and it stands on the refit
    refit = story.refit("update").version
    assert kept[refit] == f"base of version {target}"
    assert kept[story.version("update")] == f"judged twin of version {refit}"
