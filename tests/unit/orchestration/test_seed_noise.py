"""Versions that differ in their seed alone show its noise, and later ones remember it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from orchestration.seed_noise import METRICS, seed_noise
from serving.registry import VersionSummary
from serving.registry.tags import INPUT_KEY, SEEDLESS_KEY
from tests.unit.serving.memory_registry import MemoryRegistry

RECALL, NDCG = METRICS


class Registry(MemoryRegistry):
    """A registry whose versions have been measured."""

    def measure(self, version: int, recall: float) -> None:
        self.__dict__.setdefault("measured", {})[version] = {RECALL: recall, NDCG: recall / 2, "all/hit@20": 0.5}

    def versions(self) -> list[VersionSummary]:
        found = self.__dict__.get("measured", {})
        return [replace(each, metrics=found.get(each.version, {})) for each in super().versions()]


@pytest.fixture
def registry() -> Registry:
    """Versions 1 and 2 of one training, 3 of another one, 4 of the first again but not measured."""
    registry = Registry()
    for training, seed in (("a", 0), ("a", 1), ("b", 0), ("a", 2)):
        registry.add("passed", **{SEEDLESS_KEY: training, INPUT_KEY: f"{training}{seed}"})
    for version, recall in ((1, 0.30), (2, 0.33), (3, 0.9)):
        registry.measure(version, recall)
    return registry


def noise(registry: Registry, version: int, recall: float):  # type: ignore[no-untyped-def]
    return seed_noise(registry, version, {RECALL: recall, NDCG: recall / 2})  # type: ignore[arg-type]


def test_the_spread_is_that_of_versions_which_differ_in_the_seed_alone(registry: Registry) -> None:
    found = noise(registry, 4, 0.36)
    assert found.versions == [1, 2, 4]
    assert found.ranges == {RECALL: (0.30, 0.36), NDCG: (0.15, 0.18)}
    assert "3 versions of one training (1, 2, 4) have all/recall@20 from 0.3000 to 0.3600 (20.0%)" in str(found)


def test_a_training_with_one_seed_shows_the_noise_that_was_last_measured(registry: Registry) -> None:
    assert noise(registry, 3, 0.9) is None
    measured = noise(registry, 2, 0.33)
    for version in (1, 2, 4):
        del registry.stored[version]  # they were removed since
    assert str(noise(registry, 3, 0.9)) == str(measured)


def test_the_same_input_again_is_no_other_seed(registry: Registry) -> None:
    registry.add("passed", **{SEEDLESS_KEY: "b", INPUT_KEY: "b0"})
    assert noise(registry, 5, 0.1) is None


def test_versions_of_before_have_no_noise() -> None:
    registry = Registry()
    registry.add("passed", "passed", **{INPUT_KEY: "old"})
    registry.measure(1, 0.3)
    assert noise(registry, 2, 0.4) is None


def test_a_training_that_finds_nothing_has_a_noise_too(registry: Registry) -> None:
    assert "all/recall@20 up to 0.3300" in str(noise(registry, 4, 0.0))
    assert math.isclose(noise(registry, 4, 0.0).ranges[RECALL][0], 0.0)
