"""What assets hand to each other: small references to folders and versions, stored as JSON, never pickled."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import dagster as dg
from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Base of all values: frozen, and readable from their own JSON."""

    model_config = ConfigDict(frozen=True)


class Source(Value):
    """The canonical tables of a dataset as it stood at `as_of`. folder holds events, users and items as Parquet."""

    dataset: str
    folder: Path
    sha256: str
    as_of: datetime
    validation_start: datetime
    cut: datetime


class Features(Value):
    """Feature tables of one entity: `{folder}/{view}.parquet`; the folder is named after the entity."""

    source: Source
    folder: Path


class Frames(Value):
    """The training set as joined frames: queries, item_snapshots and interactions as Parquet in `folder`."""

    source: Source
    folder: Path


class Version(Value):
    """A registered model version and the data it came from."""

    source: Source
    frames: Path
    version: int
    reused: bool


class Embeddings(Value):
    """Item embeddings of a version: item_id and embedding, one row per item of the corpus, as Parquet."""

    version: Version
    path: Path


class Index(Value):
    """The version's collection in Milvus, complete."""

    version: Version
    embeddings: Path
    collection: str


class Judged(Value):
    """The evaluation of a version, or its verdict: `path` is a JSON file."""

    version: Version
    path: Path


class JsonIOManager(dg.IOManager):
    """Keeps the newest value of each asset in `{home}/values/{what the run works on}/{asset}.json`.

    A run reads its own values first: another one may be at work on the same data.
    """

    def __init__(self) -> None:
        self._own: dict[Path, Value] = {}

    def handle_output(self, context: dg.OutputContext, obj: Value) -> None:
        path = self._path(context)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(obj.model_dump_json(indent=1))
        partial.replace(path)
        self._own[path] = obj

    def load_input(self, context: dg.InputContext) -> Value:
        path = self._path(context)
        if path in self._own:
            return self._own[path]
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: materialise {context.asset_key.to_user_string()} first")
        wanted: type[Value] = context.dagster_type.typing_type
        return wanted.model_validate_json(path.read_text())

    def _path(self, context: dg.OutputContext | dg.InputContext) -> Path:
        return context.resources.workspace.values_folder / f"{context.asset_key.to_user_string()}.json"


@dg.io_manager(required_resource_keys={"workspace"}, description="Values of assets as JSON files in the home folder.")
def json_io_manager(_: dg.InitResourceContext) -> JsonIOManager:
    return JsonIOManager()
