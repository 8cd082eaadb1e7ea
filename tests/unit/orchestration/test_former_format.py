"""A version that a home of format 1 holds, as the Gatehouse of then wrote it: it serves on without a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from feature_repo.encode import Encoder
from feature_repo.schema import Entity, Schema
from feature_repo.store.definitions import service_name
from serving.gate.verdict import Outcome
from serving.release.manifest import Manifest
from training.recipes import TrainConfig
from training.recipes.serialization import from_json, to_json

FOLDER = Path(__file__).with_name("format_1")


def text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def test_its_manifest_names_the_features_that_its_schema_gives_now() -> None:
    """Another digest would look for its online features under names that nothing loads."""
    manifest, schema = Manifest.from_json(text("manifest.json")), Schema.from_json(text("schema.json"))
    assert (manifest.version, manifest.verdict.outcome, manifest.judged) == (1, Outcome.PASSED, 1)
    assert manifest.schema_digest == schema.digest
    assert manifest.services == {entity: service_name(schema, entity) for entity in Entity}


@pytest.mark.parametrize("entity", Entity)
def test_its_encoders_read_the_features_of_its_schema(entity: Entity) -> None:
    encoder, schema = Encoder.from_json(text(f"{entity.value}_encoder.json")), Schema.from_json(text("schema.json"))
    assert {feature.name for feature in encoder.features} <= {each.name for each in schema.features_of(entity)}
    assert Encoder.from_json(encoder.to_json()).to_json() == encoder.to_json()


def test_its_recipe_has_todays_names() -> None:
    config = from_json(text("recipe.json"))
    assert isinstance(config, TrainConfig) and (config.dim, config.prior) == (128, False)
    assert from_json(to_json(config)) == config
