"""The artifacts of one version, loaded: exported programs and their encoders.

Legend: B rows of a batch, D dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.encode import Encoder
from feature_repo.encode.parts import ROWS_AT_ONCE as ENCODED_AT_ONCE
from feature_repo.program import Program
from feature_repo.progress import track
from feature_repo.schema import Entity, Schema
from serving.model.rescorer import Rescorer
from serving.pt2 import refuse_code

ROWS_AT_ONCE = 256
"""Rows of a call: the embeddings of 1,024 histories took 1.4 GB, at no more speed."""
RESCORER, RESCORER_PARTS = "rescorer.pt2", "rescorer.json"
ITEM_TOWER = "item_tower.pt2"
CHECKPOINT = "checkpoint.safetensors"
"""Weights for updates and warm starts; serving never reads them."""


@dataclass(frozen=True, kw_only=True)
class Tower:
    """An exported tower with its encoder."""

    encoder: Encoder
    program: Program

    def embed(self, frame: pl.DataFrame) -> np.ndarray:
        """Embed rows of features as of event_timestamp: float32 [rows, D], L2-normalised."""
        # Encoding looks each value up in a whole vocabulary, so it takes more rows at a time.
        parts = frame.iter_slices(ENCODED_AT_ONCE)
        batches = (batch for part in parts for batch in _batches(self.encoder.encode(part), len(part)))
        number = -(-len(frame) // ROWS_AT_ONCE)
        return np.concatenate([self.program(batch) for batch in track(batches, "batches", number)])


def _batches(arrays: dict[str, np.ndarray], rows: int) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, rows, ROWS_AT_ONCE):
        yield {name: array[start : start + ROWS_AT_ONCE] for name, array in arrays.items()}


@dataclass(frozen=True, kw_only=True)
class ModelBundle:
    """The content of an artifact folder, loaded."""

    schema: Schema
    user: Tower
    popular: tuple[tuple[str, float], ...]
    """(item id, score), best first: the answer to unknown users. The score is a count, or the term of an item prior."""
    rescorer: Rescorer | None = None
    """Repeat head or reranker, where the recipe has one."""
    files: Mapping[str, bytes] = field(repr=False)
    """Contents of the files by name."""
    quick_start: bool = False
    """Whether it is loaded for a few users."""

    @classmethod
    def from_folder(cls, folder: Path) -> ModelBundle:
        """Load the artifacts of a version that is not judged yet.

        UnsafeArchiveError as in `from_files`.
        """
        return cls.from_files({path.name: path.read_bytes() for path in folder.iterdir() if path.name != CHECKPOINT})

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, quick_start: bool = False) -> ModelBundle:
        """Load from file contents by name.

        Args:
            files: contents.
            quick_start: load for a few users, without an import of PyTorch if possible.

        Raises:
            UnsafeArchiveError: a program could run code while being loaded.
        """
        refuse_code(files[ITEM_TOWER], ITEM_TOWER)
        return cls(
            schema=Schema.from_json(files["schema.json"].decode()),
            user=_tower(files, Entity.USER, quick_start),
            files=files,
            quick_start=quick_start,
            popular=tuple((item, count) for item, count in json.loads(files["popular.json"])),
            rescorer=_rescorer(files, quick_start) if RESCORER in files else None,
        )

    @cached_property
    def item(self) -> Tower:
        """The item tower, loaded at first use: an answer to a user does not need it."""
        return _tower(self.files, Entity.ITEM, self.quick_start)


def _tower(files: Mapping[str, bytes], entity: Entity, quick_start: bool) -> Tower:
    name = f"{entity.value}_tower.pt2"
    encoder = Encoder.from_json(files[f"{entity.value}_encoder.json"].decode())
    return Tower(encoder=encoder, program=Program(files[name], name, quick_start=quick_start))


def _rescorer(files: Mapping[str, bytes], quick_start: bool) -> Rescorer:
    encoder = Encoder.from_json(files["user_encoder.json"].decode())
    # Releases from before there were rerankers have no such file: their re-scorer is a repeat head.
    parts = json.loads(files[RESCORER_PARTS]) if RESCORER_PARTS in files else {}
    program = Program(files[RESCORER], RESCORER, quick_start=quick_start)
    return Rescorer(encoder=encoder, program=program, **parts)
