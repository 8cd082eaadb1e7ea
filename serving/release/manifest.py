"""The manifest: what a version consists of and how it was judged. Written once, verified before anything is loaded.

The chain of trust: the version's tags hold the manifest's SHA-256 and the outcome; the manifest, an artifact of the
run, holds the SHA-256 of every file, the collection and the verdict.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from feature_repo.schema import Entity, Schema
from serving.gate.verdict import Verdict
from serving.index.base import CollectionInfo
from serving.model.bundle import CHECKPOINT
from serving.registry import INPUT_KEY, OUTCOME, PARENT, TRAINING, Registry, Training

MANIFEST = "manifest.json"
MANIFEST_SHA256 = "gatehouse.manifest_sha256"


class ReleaseError(RuntimeError):
    """A version that cannot be released or served, with the reason and what to do."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that belongs to one version.

    services: feature service name by entity. alias, collection, dim, item_count, items_fingerprint: the item index.
    created: when it was sealed; as_of: features and data up to then; cut: when its hold-out began (all naive UTC).
    against: the champion that it was compared with, None if there was none.
    training: how it came to its weights; parent: the version that it went on from, None after a full training.
    files: SHA-256 by path in the artifact folder. metrics: of the two towers, exact search; null where undefined.
    """

    dataset: str
    version: int
    input_key: str
    schema_digest: str
    services: Mapping[str, str]
    collection: str
    alias: str
    dim: int
    item_count: int
    items_fingerprint: str
    created: datetime
    as_of: datetime
    cut: datetime
    against: int | None
    files: Mapping[str, str]
    metrics: Mapping[str, float | None]
    verdict: Verdict
    training: Training = Training.FULL
    parent: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=datetime.isoformat, indent=1, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        raw = json.loads(text)
        times = {name: datetime.fromisoformat(raw[name]) for name in ("created", "as_of", "cut")}
        verdict = Verdict.from_json(json.dumps(raw["verdict"]))
        return cls(**{**raw, **times, "verdict": verdict, "training": Training(raw.get("training", Training.FULL))})


def collection_name(dataset: str, version: int) -> str:
    """Name of the collection that a version owns."""
    return f"{dataset}_items_v{version}"


def alias_name(dataset: str) -> str:
    """Name of the alias that points at the champion's collection, for readers outside Gatehouse."""
    return f"{dataset}_items"


def seal(
    registry: Registry,
    version: int,
    verdict: Verdict,
    *,
    index: CollectionInfo,
    services: Mapping[Entity, str],
    created: datetime,
    as_of: datetime,
    cut: datetime,
    against: int | None,
    metrics: Mapping[str, float],
) -> Manifest:
    """Write a version's manifest and tags, after its evaluation. The tag with the manifest's hash completes it.

    Returns the manifest; that of an earlier identical seal, if there was one (only `created` may differ). ReleaseError
    if the version is sealed already with another content: a verdict is not revised, another version is trained.
    """
    folder, wanted = registry.download(version), collection_name(registry.dataset, version)
    tags = registry.tags(version)
    if index.name != wanted or not index.complete:
        raise ReleaseError(f"version {version} owns the complete collection {wanted}; got {index}")
    manifest = Manifest(
        dataset=registry.dataset,
        version=version,
        input_key=tags[INPUT_KEY],
        schema_digest=Schema.from_json((folder / "schema.json").read_text(encoding="utf-8")).digest,
        services={entity.value: name for entity, name in services.items()},
        collection=index.name,
        alias=alias_name(registry.dataset),
        dim=index.dim,
        item_count=index.rows,
        items_fingerprint=index.fingerprint,
        created=created,
        as_of=as_of,
        cut=cut,
        against=against,
        files=file_hashes(folder),
        metrics={name: value if math.isfinite(value) else None for name, value in metrics.items()},
        verdict=verdict,
        training=Training(tags.get(TRAINING, Training.FULL)),
        parent=int(tags[PARENT]) if PARENT in tags else None,
    )
    if MANIFEST_SHA256 in tags:
        return _unchanged(read(registry, version), manifest)
    text = manifest.to_json()
    registry.write_text(version, MANIFEST, text)
    registry.set_tags(version, {OUTCOME: verdict.outcome.value, MANIFEST_SHA256: _sha256(text.encode())})
    return manifest


def read(registry: Registry, version: int) -> Manifest:
    """A version's manifest, verified against its tags. ReleaseError if it is missing or was changed."""
    tags = registry.tags(version)
    name = f"{registry.dataset} version {version}"
    if MANIFEST_SHA256 not in tags:
        raise ReleaseError(f"{name} is not sealed: it has not been evaluated to the end; run the pipeline again")
    text = registry.read_text(version, MANIFEST)
    if _sha256(text.encode()) != tags[MANIFEST_SHA256]:
        raise ReleaseError(f"{name}: its manifest was changed after it was sealed (the hash differs from the tag)")
    manifest = Manifest.from_json(text)
    if (manifest.dataset, manifest.version) != (registry.dataset, version):
        raise ReleaseError(f"{name}: its manifest is that of {manifest.dataset} version {manifest.version}")
    if manifest.verdict.outcome.value != tags.get(OUTCOME):
        raise ReleaseError(
            f"{name}: the tag says {tags.get(OUTCOME)!r}, the manifest {manifest.verdict.outcome.value!r}"
        )
    return manifest


def verified_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """The content of every file that serving loads, read once and compared with the manifest.

    All files are compared; the training checkpoint is left out of the result. ReleaseError names the files that were
    changed, are missing or do not belong there.
    """
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    strange = sorted(present ^ set(manifest.files))
    contents = {name: (folder / name).read_bytes() for name in present & set(manifest.files)}
    changed = sorted(name for name, content in contents.items() if _sha256(content) != manifest.files[name])
    if strange or changed:
        raise ReleaseError(
            f"{manifest.dataset} version {manifest.version}: the files in {folder} are not those that were judged"
            f" (changed: {', '.join(changed) or 'none'}; missing or added: {', '.join(strange) or 'none'})"
        )
    return {name: content for name, content in contents.items() if name != CHECKPOINT}


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path.read_bytes()) for path in files}


def _unchanged(sealed: Manifest, manifest: Manifest) -> Manifest:
    stored, given = (json.loads(m.to_json()) | {"created": None} for m in (sealed, manifest))
    differing = sorted(name for name in stored if stored[name] != given[name])
    if differing:
        raise ReleaseError(
            f"{sealed.dataset} version {sealed.version} was sealed with another {', '.join(differing)}: a verdict is"
            " not revised; train another version (`gatehouse run --retrain`)"
        )
    return sealed


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
