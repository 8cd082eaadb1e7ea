"""How assets show in Dagster: kinds, tags and owners, in one place beside the graph."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import ModuleType

import dagster as dg

from feature_repo.errors import InputError

KIND_PREFIX = "dagster/kind/"
"""Of the tags that Dagster keeps kinds in."""
OWNERS = "GATEHOUSE_OWNERS"
KINDS: dict[str, set[str]] = {
    "events": {"polars", "parquet"},
    "users": {"polars", "parquet"},
    "items": {"polars", "parquet"},
    "user_features": {"polars", "parquet"},
    "item_features": {"polars", "parquet"},
    "training_set": {"feast", "duckdb"},
    "towers": {"pytorch", "mlflow"},
    "item_embeddings": {"pytorch"},
    "item_index": {"milvus"},
    "evaluation": {"pytorch", "mlflow"},
    "verdict": {"yaml", "mlflow"},
    "refit": {"pytorch", "mlflow"},
    "id_update": {"pytorch", "mlflow"},
    "online_features": {"feast"},
    "champion": {"mlflow"},
    "experiment_reports": {"scipy"},
}
"""Tools of each asset; Dagster draws at most three."""
STAGES = {"source": "data", "features": "data", "training": "model", "index": "model", "release": "release"}
"""Tag `gatehouse/stage` by group, by which runs and assets can be selected: `tag:gatehouse/stage=release`."""


def owners() -> list[str]:
    """Owners of the assets: addresses and teams of the setting, none by default.

    Raises:
        InputError: an owner that is neither.
    """
    found = [each.strip() for each in os.environ.get(OWNERS, "").split(",") if each.strip()]
    if wrong := [each for each in found if "@" not in each and not each.startswith("team:")]:
        raise InputError(f"{OWNERS}: got {wrong[0]!r}; wanted addresses and teams such as ml@example.com,team:search")
    return found


def dressed(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Add kinds, tags and owners to an asset."""
    name, group = spec.key.to_user_string(), spec.group_name or ""
    tags = {tag: value for tag, value in spec.tags.items() if not tag.startswith(KIND_PREFIX)}
    tags |= {"gatehouse/stage": STAGES.get(group, group)} if group else {}
    return spec.replace_attributes(kinds=KINDS.get(name, spec.kinds), tags=tags, owners=owners())


def dressed_assets(modules: Iterable[ModuleType]) -> list[dg.AssetsDefinition]:
    """Load the assets of some modules, and dress them."""
    found = dg.load_assets_from_modules(modules)
    return [each.map_asset_specs(dressed) for each in found if isinstance(each, dg.AssetsDefinition)]
