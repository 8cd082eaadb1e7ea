"""A home whose release has another number of items: those of a real release, repeated and moved a little.

Model, encoders, users and their features are the release's own; ids and one filterable
field are made, a number or a category, so that a filter keeps any share of the items. There
is no collection in Milvus: the service reads the file of the release.

Legend: N items, D dimensions.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, Entity, Kind, Schema
from serving.index.base import Fields
from serving.index.exact import ExactIndex
from serving.registry import INPUT_KEY, Registry
from serving.registry.sqlite import open_registry
from serving.release.collection import open_served_index, store_collection
from serving.release.index_proof import prove
from serving.release.load import Release
from serving.release.manifest import collection_name, seal
from serving.settings import Settings

SHARES = (0.005, 0.05, 0.5)
"""Shares of the items that categories keep together, where no number is filterable."""
MOVED = 0.3
"""Length of the random step from a vector to each of its copies."""


@dataclass(frozen=True)
class Grown:
    """Home of the grown release, and the field by which a filter keeps a share of its items."""

    settings: Settings
    field: str
    is_number: bool

    def keeping(self, share: float) -> str:
        """Filter that keeps a share of the items: any for a number, one of SHARES for a category."""
        if self.is_number:
            return f"{self.field} < {share:g}"
        names = ", ".join(f'"{each}"' for each in range(SHARES.index(share) + 1))
        return f"{self.field} in [{names}]"


def grow(settings: Settings, dataset: str, items: int, home: Path, *, seed: int) -> Grown:
    """Write a home with the champion of another home as its only release, with so many items.

    Args:
        settings: the other home, which is only read.
        dataset: name of the dataset.
        items: number of items; fewer than the release has are a random part of them.
        home: an empty folder.
        seed: of everything random.
    """
    own = Settings.from_environment({"GATEHOUSE_HOME": str(home)})
    own.create_home()
    shutil.copytree(settings.feast_home, own.feast_home, dirs_exist_ok=True)
    release = Release.load(settings, dataset, quick_start=True)
    fields, (field, is_number) = Fields.of(release.schema), _field_of(release.schema)
    with open_served_index(settings, release.manifest, fields) as index:
        stored, vectors_ND = index.contents(release.manifest.collection)
    rng = np.random.default_rng(seed)
    rows_N = _rows(len(stored), items, rng)
    is_copy_N = np.concatenate([[False], rows_N[1:] == rows_N[:-1]])
    ids = pl.Series(stored[ITEM_ID][rows_N])
    made = pl.select(pl.format("{}~{}", ids, pl.int_range(items))).to_series()
    drawn_N = rng.permutation(items) / items
    values = pl.Series(field, drawn_N if is_number else np.searchsorted(SHARES, drawn_N, side="right").astype(str))
    grown = stored[rows_N].with_columns(
        pl.when(pl.Series(is_copy_N)).then(made).otherwise(ids).alias(ITEM_ID),
        values,
    )
    _release(own, settings, release, grown, moved(vectors_ND[rows_N], is_copy_N, rng))
    return Grown(own, field, is_number)


def moved(item_ND: np.ndarray, is_copy_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move copies of unit vectors by a random step, and give them length 1 again.

    Args:
        item_ND: the vectors.
        is_copy_N: rows that are moved.
        rng: source of the steps.
    """
    # The last coordinate of a model with an item prior is no part of the direction.
    width = item_ND.shape[1] - (not np.allclose(np.linalg.norm(item_ND[:256], axis=1), 1, atol=1e-3))
    step_ND = rng.standard_normal((int(is_copy_N.sum()), width), dtype=np.float32) * np.float32(MOVED / np.sqrt(width))
    step_ND += item_ND[is_copy_N, :width]
    found = item_ND.copy()
    found[is_copy_N, :width] = step_ND / np.linalg.norm(step_ND, axis=1, keepdims=True)
    return found


def _rows(stored: int, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of the stored items, sorted: each once before any is repeated."""
    whole, rest = divmod(wanted, stored)
    rows: np.ndarray = np.sort(np.concatenate([np.tile(np.arange(stored), whole), rng.permutation(stored)[:rest]]))
    return rows


def _field_of(schema: Schema) -> tuple[str, bool]:
    """First filterable number of the items, else the first category, and whether it is a number."""
    for kind in (Kind.NUMERIC, Kind.CATEGORICAL):
        for each in schema.features_of(Entity.ITEM):
            if each.filterable and each.kind is kind:
                return each.name, kind is Kind.NUMERIC
    raise SystemExit(f"{schema.dataset} has no filterable number or category of an item; wanted one to filter by")


def _release(own: Settings, former: Settings, release: Release, items: pl.DataFrame, item_ND: np.ndarray) -> None:
    """Register, seal and serve the grown release."""
    manifest = release.manifest
    registry = Registry(own, manifest.dataset)
    with registry.run("grown") as run:
        folder = open_registry(former, manifest.dataset).download(manifest.version)
        version = run.register(folder, {INPUT_KEY: "grown"})
    index, name = ExactIndex(Fields.of(release.schema)), collection_name(manifest.dataset, version)
    info = index.build(name, items, item_ND)
    seal(
        registry,
        version,
        manifest.verdict,
        index=info,
        proof=prove(index, name),
        collection_sha256=store_collection(registry, version, index, info),
        services={Entity(entity): service for entity, service in manifest.services.items()},
        created=manifest.created,
        as_of=manifest.as_of,
        cut=manifest.cut,
        against=None,
        metrics={each: float("nan") if value is None else value for each, value in manifest.metrics.items()},
    )
    registry.set_champion(version)
