"""The manifest of a version: its content and its verdict, written once.

It is verified before anything is loaded, along a chain of trust: the version's tags hold the manifest's SHA-256 and the
outcome. The manifest, an artifact of the run, holds the SHA-256 of every file, the collection and the verdict.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from feature_repo.schema import Entity, Schema, stored_name
from serving.gate.verdict import Verdict
from serving.index.base import CollectionInfo
from serving.model.bundle import CHECKPOINT
from serving.registry import INPUT_KEY, OUTCOME, PARENT, TRAINING, Registry, Training
from serving.release.index_proof import IndexProof

MANIFEST = "manifest.json"
MANIFEST_SHA256 = "gatehouse.manifest_sha256"
"""Tag that seals a version."""


class ReleaseError(RuntimeError):
    """A version cannot be released or served; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Content and verdict of one version. Times are naive UTC."""

    dataset: str
    version: int
    input_key: str
    """Hash of everything that decided the version."""
    schema_digest: str
    services: Mapping[str, str]
    """Name of the feature service by entity."""
    collection: str
    """Collection of the item index."""
    alias: str
    """Alias that points at the champion's collection."""
    dim: int
    item_count: int
    items_fingerprint: str
    created: datetime
    """Time of the seal."""
    as_of: datetime
    """Time of the newest data and features."""
    cut: datetime
    """Start of the hold-out; of a refit, which has none, the end of the training data."""
    against: int | None
    """Champion that the version was compared with; None if there was none."""
    files: Mapping[str, str]
    """SHA-256 by path in the artifact folder."""
    metrics: Mapping[str, float | None]
    """Metrics of the two towers by exact search; None where undefined."""
    verdict: Verdict
    training: Training = Training.FULL
    """The kind of training that gave the weights."""
    parent: int | None = None
    """Base version of an update or a warm start, the judged version of a refit; None after a full training."""
    index_proof: IndexProof | None = None
    """Proof of the collection's content; None in releases from before there was one."""
    collection_sha256: str | None = None
    """SHA-256 of the file of the collection in the run; None in releases from before there was one."""

    @property
    def judged(self) -> int:
        """Version whose hold-out answers for this one: of a refit the version that it repeats, else itself."""
        return self.parent if self.training is Training.REFIT and self.parent else self.version

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=datetime.isoformat, indent=1, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        raw = json.loads(text)
        times = {name: datetime.fromisoformat(raw[name]) for name in ("created", "as_of", "cut")}
        verdict = Verdict.from_json(json.dumps(raw["verdict"]))
        proof = raw.get("index_proof")
        # A later version of Gatehouse may have written more: it is no reason not to serve.
        known = {each.name: raw[each.name] for each in fields(cls) if each.name in raw}
        return cls(
            **{
                **known,
                **times,
                "verdict": verdict,
                "training": Training(raw.get("training", Training.FULL)),
                "index_proof": IndexProof.from_dict(proof) if proof else None,
            }
        )


def collection_name(dataset: str, version: int) -> str:
    """Name the collection of a version."""
    return f"{stored_name(dataset)}_items_v{version}"


def alias_name(dataset: str) -> str:
    """Name the alias of the champion's collection, for readers outside Gatehouse."""
    return f"{stored_name(dataset)}_items"


def seal(
    registry: Registry,
    version: int,
    verdict: Verdict,
    *,
    index: CollectionInfo,
    proof: IndexProof,
    collection_sha256: str | None = None,
    services: Mapping[Entity, str],
    created: datetime,
    as_of: datetime,
    cut: datetime,
    against: int | None,
    metrics: Mapping[str, float],
) -> Manifest:
    """Write the manifest and the tags of an evaluated version.

    The tag with the manifest's hash comes last.

    Args:
        registry: registry of the dataset.
        version: number of the version.
        verdict: the gate's decision.
        index: the version's complete collection.
        proof: proof of its content.
        collection_sha256: hash of the collection's file, which is in the run already; None without one.
        services: name of the feature service by entity.
        created: time of the seal.
        as_of: time of the newest data.
        cut: start of the hold-out.
        against: champion that the version was compared with; None if there was none.
        metrics: metrics of the two towers.

    Returns:
        The manifest; that of an earlier seal if only `created` differs.

    Raises:
        ReleaseError: the collection is not the version's own, or the version is sealed with another content: a
            verdict is not revised, another version is trained.
    """
    tags = registry.tags(version)
    manifest = Manifest(
        **_index_fields(registry.dataset, version, index),
        **_content(registry, version, tags),
        services={entity.value: name for entity, name in services.items()},
        created=created,
        as_of=as_of,
        cut=cut,
        against=against,
        index_proof=proof,
        collection_sha256=collection_sha256,
        metrics={name: value if math.isfinite(value) else None for name, value in metrics.items()},
        verdict=verdict,
    )
    if MANIFEST_SHA256 in tags:
        return _unchanged(read(registry, version), manifest)
    return _written(registry, manifest)


def _content(registry: Registry, version: int, tags: Mapping[str, str]) -> dict[str, Any]:
    """Fields of the manifest that follow from a version's files and tags."""
    folder = registry.download(version)
    return {
        "dataset": registry.dataset,
        "version": version,
        "input_key": tags[INPUT_KEY],
        "schema_digest": Schema.from_json((folder / "schema.json").read_text(encoding="utf-8")).digest,
        "files": file_hashes(folder),
        "training": Training(tags.get(TRAINING, Training.FULL)),
        "parent": int(tags[PARENT]) if PARENT in tags else None,
    }


def _index_fields(dataset: str, version: int, index: CollectionInfo) -> dict[str, Any]:
    """Fields of the manifest about the index.

    ReleaseError for a collection that is incomplete or another version's.
    """
    wanted = collection_name(dataset, version)
    if index.name != wanted or not index.complete:
        raise ReleaseError(f"version {version} owns the complete collection {wanted}; got {index}")
    return {
        "collection": index.name,
        "alias": alias_name(dataset),
        "dim": index.dim,
        "item_count": index.rows,
        "items_fingerprint": index.fingerprint,
    }


def _written(registry: Registry, manifest: Manifest) -> Manifest:
    """Write a manifest, and after it the tags that seal it."""
    text = manifest.to_json()
    registry.write_text(manifest.version, MANIFEST, text)
    # The tag with the hash is the seal, and the last of the two: a crash before it
    # leaves a version that is not sealed, never one with half a manifest.
    tags = {OUTCOME: manifest.verdict.outcome.value, MANIFEST_SHA256: _sha256(text.encode())}
    registry.set_tags(manifest.version, tags)
    return manifest


def read(registry: Registry, version: int) -> Manifest:
    """Read a version's manifest and verify it against the tags.

    ReleaseError if it is missing or was changed.
    """
    tags = registry.tags(version)
    name = f"{registry.dataset} version {version}"
    if MANIFEST_SHA256 not in tags:
        raise ReleaseError(f"{name} is not sealed: it has not been evaluated to the end; run the pipeline again")
    try:
        text = registry.read_text(version, MANIFEST)
    except FileNotFoundError as error:
        raise ReleaseError(f"{name}: its manifest is gone ({error}); another version has to serve") from error
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
    """Read every file that serving loads, once, and compare it with the manifest.

    The training checkpoint is compared as well, but not returned. ReleaseError names files that were changed, are
    missing or do not belong there.
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
    """Hash every file of a folder by SHA-256; keys are paths within the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path.read_bytes()) for path in files}


def _unchanged(sealed: Manifest, manifest: Manifest) -> Manifest:
    # The time of the seal may differ: an interrupted run is repeated later.
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
