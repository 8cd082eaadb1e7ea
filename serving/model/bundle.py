"""The artifacts of one version, loaded: exported programs and their encoders.

Legend: B rows of a batch, D dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.encode import Encoder
from feature_repo.program import Program
from feature_repo.progress import track
from feature_repo.schema import Entity, Schema
from serving.model.rescorer import Rescorer

ROWS_AT_ONCE = 256
"""Rows of a call: the embeddings of 1,024 histories took 1.4 GB, at no more speed."""
RESCORER, RESCORER_PARTS = "rescorer.pt2", "rescorer.json"
CHECKPOINT = "checkpoint.safetensors"
"""Weights for updates and warm starts; serving never reads them."""


@dataclass(frozen=True, kw_only=True)
class Tower:
    """An exported tower with its encoder."""

    encoder: Encoder
    program: Program

    def embed(self, frame: pl.DataFrame) -> np.ndarray:
        """Embed rows of features as of event_timestamp: float32 [rows, D], L2-normalised."""
        import torch

        embeddings = []
        for start in track(range(0, len(frame), ROWS_AT_ONCE), "batches"):
            arrays = self.encoder.encode(frame[start : start + ROWS_AT_ONCE])
            inputs = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
            with torch.inference_mode():
                embeddings.append(self.program(inputs).numpy())
        return np.concatenate(embeddings)


@dataclass(frozen=True, kw_only=True)
class ModelBundle:
    """The content of an artifact folder, loaded."""

    schema: Schema
    user: Tower
    item: Tower
    popular: tuple[tuple[str, float], ...]
    """(item id, count), most popular first: the answer to unknown users."""
    rescorer: Rescorer | None = None
    """Repeat head or reranker, where the recipe has one."""

    @classmethod
    def from_folder(cls, folder: Path) -> ModelBundle:
        """Load the artifacts of a version that is not judged yet.

        UnsafeArchiveError as in `from_files`.
        """
        return cls.from_files({path.name: path.read_bytes() for path in folder.iterdir() if path.name != CHECKPOINT})

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> ModelBundle:
        """Load from file contents by name.

        UnsafeArchiveError if a program could run code while being loaded.
        """
        return cls(
            schema=Schema.from_json(files["schema.json"].decode()),
            user=_tower(files, Entity.USER),
            item=_tower(files, Entity.ITEM),
            popular=tuple((item, count) for item, count in json.loads(files["popular.json"])),
            rescorer=_rescorer(files) if RESCORER in files else None,
        )


def _tower(files: Mapping[str, bytes], entity: Entity) -> Tower:
    name = f"{entity.value}_tower.pt2"
    encoder = Encoder.from_json(files[f"{entity.value}_encoder.json"].decode())
    return Tower(encoder=encoder, program=Program(files[name], name))


def _rescorer(files: Mapping[str, bytes]) -> Rescorer:
    encoder = Encoder.from_json(files["user_encoder.json"].decode())
    # Releases from before there were rerankers have no such file: their re-scorer is a repeat head.
    parts = json.loads(files[RESCORER_PARTS]) if RESCORER_PARTS in files else {}
    return Rescorer(encoder=encoder, program=Program(files[RESCORER], RESCORER), **parts)
