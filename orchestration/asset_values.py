"""Values that assets pass on: references to folders and versions, kept as JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import dagster as dg
from pydantic import BaseModel, ConfigDict

from feature_repo.whole_file import write_text


class Value(BaseModel):
    """Base of all values: frozen, and readable from its own JSON."""

    model_config = ConfigDict(frozen=True)


class Source(Value):
    """The canonical tables of a dataset up to a time."""

    dataset: str
    folder: Path
    """Folder with events, users and items as Parquet."""
    sha256: str
    """Fingerprint of the tables."""
    as_of: datetime
    """Time of the newest data, naive UTC."""
    validation_start: datetime
    """Start of the validation window."""
    cut: datetime
    """End of the training part and start of the hold-out."""
    end: datetime | None = None
    """End of the hold-out; None in values from before it was kept. The data may end later: an event may become known
    long after it happened."""
    notes: tuple[str, ...] = ()
    """What was found in the raw files, such as dropped rows."""
    data: str | None = None
    """Folder of the raw files; None for a dataset that Gatehouse ships."""
    identity: str = ""
    """Samples of the data as `feature_repo.datasets.identity` writes them."""
    since: datetime | None = None
    """Cut of the base of an update, which learns from no user snapshot before it; None for all snapshots."""

    @property
    def holdout_end(self) -> datetime:
        """End of the hold-out; that of the data where no other is kept."""
        return self.end or self.as_of


class Features(Value):
    """Feature tables of one entity."""

    source: Source
    folder: Path
    """Folder named after the entity, with one `{view}.parquet` for each view."""


class Frames(Value):
    """The training set as joined frames."""

    source: Source
    folder: Path
    """Folder with queries, item_snapshots and interactions as Parquet."""


class Version(Value):
    """A registered model version and its data."""

    source: Source
    frames: Path
    """Folder of the training set."""
    version: int
    reused: bool
    """Whether an earlier run had trained it."""


class Embeddings(Value):
    """Item embeddings of a version."""

    version: Version
    path: Path
    """Parquet file with item_id and embedding, one row for each item of the corpus."""


class Index(Value):
    """The complete collection of a version in Milvus."""

    version: Version
    embeddings: Path
    collection: str


class Judged(Value):
    """The evaluation of a version, or its verdict."""

    version: Version
    path: Path
    """JSON file."""


class JsonIOManager(dg.IOManager):
    """Storage of asset values: `{home}/values/{dataset}/{asset}.json`.

    A run reads its own values first: another run may work on the same data.
    """

    def __init__(self) -> None:
        self._own: dict[Path, Value] = {}

    def handle_output(self, context: dg.OutputContext, obj: Value) -> None:
        """Write the value of an asset."""
        path = self._path(context)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, obj.model_dump_json(indent=1))  # another run may read or write the value
        self._own[path] = obj

    def load_input(self, context: dg.InputContext) -> Value:
        """Read the value of an asset.

        FileNotFoundError before the asset was materialised.
        """
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
    """Make the IO manager of one run."""
    return JsonIOManager()
