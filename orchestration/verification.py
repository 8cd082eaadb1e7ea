"""Recomputation of a version by `gatehouse verify`, with each mismatch by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from feature_repo.schema import Schema
from orchestration.asset_files import EMBEDDINGS, joined_items
from serving.index.base import Fields
from serving.index.lite_files import open_index
from serving.model.bundle import ModelBundle
from serving.pt2 import UnsafeArchiveError, refuse_code
from serving.registry import Registry, Training
from serving.registry.override import shown_override
from serving.release.collection import check_stored, load_collection
from serving.release.history import may_serve
from serving.release.index_proof import embeddings_problem
from serving.release.load import check_contents
from serving.release.manifest import Manifest, ReleaseError, read, verified_files
from serving.settings import Settings
from training.data.interactions import at

HELD, NOT_HERE = "holds", "not here to be recomputed"
BY_OVERRIDE = "holds by an override: "
REFUSALS = (ReleaseError, UnsafeArchiveError, LookupError, OSError, ValueError)


def verify_version(settings: Settings, dataset: str, version: int) -> dict[str, str]:
    """Recompute what can be of a version.

    Args:
        settings: the home and its services.
        dataset: the dataset.
        version: number of the version.

    Returns:
        By name of the check, `holds`, `not here to be recomputed`, or the mismatch. A verdict that a person has
        overridden holds with the reason.

    Raises:
        LookupError: there is no such version.
    """
    registry = Registry(settings, dataset)
    tags = registry.tags(version)
    found = {"verdict": _verdict(tags)}
    try:
        manifest = read(registry, version)
    except REFUSALS as error:
        return {**found, "manifest": str(error)}
    folder = registry.download(version)
    return {
        **found,
        "manifest": HELD,
        "files": _checked(lambda: verified_files(folder, manifest)),
        "programs": _checked(lambda: _refuse_programs(folder)),
        "index": _checked(lambda: _check_index(settings, manifest, folder)),
        "collection": _checked(lambda: _check_file(registry, manifest)),
        "embeddings": _embeddings(settings, manifest, folder),
    }


def is_good(result: str) -> bool:
    """Whether a result of a check names no mismatch."""
    return result in (HELD, NOT_HERE) or result.startswith(BY_OVERRIDE)


def _verdict(tags: Mapping[str, str]) -> str:
    if not may_serve(tags):
        return "neither passed nor overridden: it may not serve"
    reason = shown_override(tags)
    return HELD if reason is None else f"{BY_OVERRIDE}{reason}"


def _checked(check: Callable[[], object]) -> str:
    try:
        check()
    except REFUSALS as error:
        return str(error)
    return HELD


def _refuse_programs(folder: Path) -> None:
    for path in sorted(folder.glob("*.pt2")):
        refuse_code(path.read_bytes(), path.name)


def _check_index(settings: Settings, manifest: Manifest, folder: Path) -> None:
    with open_index(settings, _fields(folder), manifest.collection) as index:
        check_contents(index, manifest)


def _check_file(registry: Registry, manifest: Manifest) -> None:
    """Compare the collection's file with the manifest, and its vectors with the proof."""
    if manifest.collection_sha256 is None:
        return  # a release from before there were such files
    check_stored(manifest, load_collection(registry, manifest))


def _fields(folder: Path) -> Fields:
    return Fields.of(Schema.from_json((folder / "schema.json").read_text(encoding="utf-8")))


def _embeddings(settings: Settings, manifest: Manifest, folder: Path) -> str:
    """Embed the corpus again and compare it with the collection.

    Only if this home has its features.
    """
    homes = (settings.home / "data" / manifest.dataset).glob(f"*/v{manifest.version}/{EMBEDDINGS}")
    refit = manifest.training is Training.REFIT
    joined = next((joined_items(path.parents[2], refit=refit) for path in homes), None)
    if joined is None:
        return NOT_HERE

    def compare() -> None:
        corpus = at(pl.scan_parquet(joined), manifest.cut, week=True)
        vectors_ND = ModelBundle.from_folder(folder).item.embed(corpus)
        with open_index(settings, _fields(folder), manifest.collection) as index:
            problem = embeddings_problem(index, manifest.collection, corpus["item_id"], vectors_ND)
        if problem:
            raise ReleaseError(problem)

    return _checked(compare)
