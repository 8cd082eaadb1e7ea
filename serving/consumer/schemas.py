"""Schemas whose online features are kept fresh."""

from __future__ import annotations

from feature_repo.errors import InputError
from feature_repo.schema import Schema
from serving.registry.sqlite import open_registry
from serving.release.history import may_serve
from serving.settings import Settings


def champion_schemas(settings: Settings, dataset: str) -> list[Schema]:
    """Schema of the champion, which every answer depends on.

    InputError if there is no champion.
    """
    registry = open_registry(settings, dataset)
    champion = registry.champion()
    if champion is None:
        raise InputError("there is no champion whose features could be kept fresh: `gatehouse run` makes one")
    return [Schema.from_json(registry.read_file(champion, "schema.json"))]


def kept_schemas(settings: Settings, dataset: str) -> list[Schema]:
    """Schemas of all versions that may serve, each once, the champion's first."""
    registry = open_registry(settings, dataset)
    found = {schema.digest: schema for schema in champion_schemas(settings, dataset)}
    for each in registry.versions():
        if may_serve(each.tags):
            schema = Schema.from_json(registry.read_file(each.version, "schema.json"))
            found.setdefault(schema.digest, schema)
    return list(found.values())
