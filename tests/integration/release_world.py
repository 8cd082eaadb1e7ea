"""A small released world: real encoders and exported towers, in a real home folder.

Users like one of two departments; a user embedding is the embedding of the department, an item embedding that of its
own, tilted by the item's price. So a user's nearest items are those of the liked department, the cheapest first. A
re-scorer, where there is one, adds to an item of the history what its count and age say, which may be less than 0.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file

from feature_repo.encode import RESERVED, Encoder
from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.store.definitions import service_name
from feature_repo.store.online_rows import UNKNOWN_TIME, OnlineRows
from serving.gate.verdict import Outcome, Verdict
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.model.bundle import ModelBundle
from serving.registry import INPUT_KEY, Registry
from serving.release.collection import store_collection
from serving.release.index_proof import prove
from serving.release.manifest import Manifest, collection_name, seal
from serving.settings import Settings

DATASET = "shop"
NOW = datetime(2024, 3, 1)
DEPARTMENTS = ("food", "toys")


def schema(*, seen_items_may_return: bool = True, repeats: bool = False) -> Schema:
    """repeats: the towers see the history, and a re-scorer reads it."""
    liked = Feature(name="liked", kind=Kind.CATEGORICAL)
    history = Feature(name="history", kind=Kind.HISTORY, length=4, tower=repeats)
    department = Feature(name="department", kind=Kind.CATEGORICAL, filterable=True, display=True)
    price = Feature(name="price", kind=Kind.NUMERIC, filterable=True)
    return Schema(
        dataset=DATASET,
        seen_items_may_return=seen_items_may_return,
        views=(
            View(name="user_profile", entity=Entity.USER, features=(liked,)),
            View(name="user_history", entity=Entity.USER, features=(history,)),
            View(name="item_profile", entity=Entity.ITEM, features=(department, price)),
        ),
    )


def _days_ago(days: int) -> int:
    return int((NOW - timedelta(days=days) - datetime(1970, 1, 1)).total_seconds() * 1e6)


ITEMS = pl.DataFrame(
    {
        "item_id": [f"{department}{n:02}" for department in DEPARTMENTS for n in range(20)],
        "event_timestamp": [NOW] * 40,
        "department": [department for department in DEPARTMENTS for _ in range(20)],
        "price": [float(n) for _ in DEPARTMENTS for n in range(20)],
    },
    schema_overrides={"event_timestamp": pl.Datetime("us")},
)

USERS = pl.DataFrame(
    {
        "user_id": ["anna", "bert", "carl"],
        "event_timestamp": [NOW] * 3,
        "liked": ["food", "toys", "food"],
        "history_items": [["food00", "food03"], [], None],
        "history_times": [[_days_ago(1), _days_ago(90)], [], None],
        "history_counts": [[9, 1], [], None],
        "history_decayed": [[_days_ago(-80), _days_ago(90)], [], None],
    },
    schema_overrides={"event_timestamp": pl.Datetime("us"), "history_items": pl.List(pl.String)}
    | {f"history_{name}": pl.List(pl.Int64) for name in ("times", "counts", "decayed")},
)

_databases: list[Path] = []
POPULAR = [["toys05", 9], ["gone", 8], ["food01", 7], ["toys00", 1]]


class Online:
    """Online features out of a frame, in the form of `feature_repo.store.store.Store`."""

    def __init__(self, users: pl.DataFrame = USERS, withdrawn: Sequence[str] = ()) -> None:
        self._users, self._withdrawn = users, list(withdrawn)

    def known(self, entity: Entity) -> list[str]:
        return self._users[entity.key].sort().to_list()

    def read_online(self, entity: Entity, ids: Sequence[str]) -> pl.DataFrame:
        return pl.DataFrame({entity.key: list(ids)}).join(self._users, on=entity.key, how="left", maintain_order="left")

    def read_rows(self, entity: Entity, ids: Sequence[str]) -> OnlineRows:
        frame = self.read_online(entity, ids)
        times = frame["event_timestamp"].dt.epoch("us").fill_null(UNKNOWN_TIME).to_numpy()
        names = [name for name in frame.columns if name not in (entity.key, "event_timestamp")]
        return OnlineRows(ids=list(ids), times_B=times, columns={name: frame[name].to_list() for name in names})

    def seen_rows(self, ids: Sequence[str]) -> list[list[str]]:
        return [items or [] for items in self.read_online(Entity.USER, ids)["history_items"].to_list()]

    def withdrawn_items(self) -> list[str]:
        return self._withdrawn

    def loaded_until(self, entity: Entity) -> datetime | None:
        return NOW


class _Tower(torch.nn.Module):
    """Direction of the department, `slope` turns it away from the other department's as the price rises."""

    def __init__(self, name: str, slope: float) -> None:
        super().__init__()
        self.name, self.slope = name, slope
        self.register_buffer("angle", torch.tensor([0.8] * RESERVED + [0.0, math.pi / 2]))

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        angle = self.angle[inputs[self.name].long()]
        if self.slope:
            angle = angle - self.slope * (inputs["price"][:, 0] + 3) * torch.where(angle > 1, -1.0, 1.0)
        return torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)


class _Rescorer(torch.nn.Module):
    """<u, v> + 0.3·log count − 0.2·log age + 0.1·log decayed count of the history, or <u, v> + 0.5·sin(40·<u, v>) of
    candidates."""

    def __init__(self, candidates: int) -> None:
        super().__init__()
        self.candidates = candidates

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        user, name = inputs["user_embedding"], "candidate_embeddings" if self.candidates else "history_embeddings"
        score = torch.einsum("bd,bld->bl", user, inputs[name])
        if self.candidates:
            return score + 0.5 * torch.sin(40 * score)
        score = score + 0.3 * inputs["history_counts"] - 0.2 * inputs["history_ages"] + 0.1 * inputs["history_decayed"]
        return score.masked_fill(inputs["history_items"] < RESERVED, -torch.inf)


def write_artifacts(folder: Path, schema_: Schema, *, slope: float = 0.1, candidates: int = 0) -> Path:
    """The files of a model version; another slope gives another model. With a re-scorer of so many candidates, or of
    histories if a tower sees them."""
    folder.mkdir(parents=True)
    for entity, frame, name in ((Entity.USER, USERS, "liked"), (Entity.ITEM, ITEMS, "department")):
        features = schema_.features_of(entity)
        encoder = Encoder.fit(entity.key, features, frame, ids=frame[entity.key], items=ITEMS["item_id"])
        inputs = {key: torch.from_numpy(np.array(value)) for key, value in encoder.encode(frame).items()}
        tower = _Tower(name, slope if entity is Entity.ITEM else 0.0)
        _write_program(folder / f"{entity.value}_tower.pt2", tower, inputs)
        repeats = "history_items" in inputs
        if entity is Entity.USER and (repeats or candidates):
            given = {"user_embedding": torch.zeros(3, 2)}
            if candidates:
                given["candidate_embeddings"] = torch.zeros(3, candidates, 2)
            else:
                given |= inputs | {"history_embeddings": torch.zeros(3, 4, 2)}
            _write_program(folder / "rescorer.pt2", _Rescorer(candidates), given)
            (folder / "rescorer.json").write_text(json.dumps({"candidates": candidates}))
        (folder / f"{entity.value}_encoder.json").write_text(encoder.to_json())
    (folder / "schema.json").write_text(schema_.to_json())
    (folder / "recipe.json").write_text("{}")
    (folder / "popular.json").write_text(json.dumps(POPULAR))
    save_file({"weight": torch.zeros(2)}, folder / "checkpoint.safetensors")
    return folder


def _write_program(path: Path, module: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> None:
    dynamic = {key: {0: torch.export.Dim.DYNAMIC} for key in inputs}
    torch.export.save(torch.export.export(module, (inputs,), dynamic_shapes=(dynamic,)), path)


def empty_database(home: Path) -> Path:
    """An MLflow database without runs: made once in a process, in the first home, since it takes seconds."""
    if not _databases or not _databases[0].is_file():  # pytest deletes the folders of its former sessions
        settings = Settings.from_environment({"GATEHOUSE_HOME": str(home)})
        assert Registry(settings, DATASET).champion() is None
        _databases[:] = [home / "mlflow" / "mlflow.db"]
    return _databases[0]


def fresh_home(home: Path, database: Path) -> Settings:
    """Settings of a new home folder."""
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(home)})
    settings.create_home()
    shutil.copy(database, home / "mlflow" / "mlflow.db")
    return settings


def register(settings: Settings, folder: Path, *, input_key: str = "key") -> int:
    """Run, register, and build the index of a version."""
    registry = Registry(settings, DATASET)
    with registry.run("towers") as run:
        run.log_metrics({"all/recall@20": 0.5})
        version = run.register(folder, {INPUT_KEY: input_key})
    towers = ModelBundle.from_folder(registry.download(version))
    with MilvusIndex(settings, Fields.of(towers.schema)) as index:
        index.build(collection_name(DATASET, version), ITEMS, towers.item.embed(ITEMS))
    return version


def _schema_of(registry: Registry, version: int) -> Schema:
    return Schema.from_json((registry.download(version) / "schema.json").read_text(encoding="utf-8"))


def seal_as(
    settings: Settings,
    version: int,
    outcome: str = "passed",
    metrics: Mapping[str, float] | None = None,
    against: int | None = None,
) -> Manifest:
    """Seal a registered version with a verdict, compared with the champion `against`."""
    name, registry = collection_name(DATASET, version), Registry(settings, DATASET)
    own = _schema_of(registry, version)
    with MilvusIndex(settings, Fields.of(own)) as index:
        info = index.info(name)
        assert info is not None
        proof = prove(index, name)
        sha256 = store_collection(registry, version, index, info)
    return seal(
        registry,
        version,
        Verdict(Outcome(outcome), (f"{outcome}: all/recall@20 0.5000 against popularity 0.4000",)),
        index=info,
        proof=proof,
        collection_sha256=sha256,
        services={entity: service_name(own, entity) for entity in Entity},
        created=NOW,
        as_of=NOW,
        cut=NOW,
        against=against,
        metrics=metrics or {"all/recall@20": 0.5, "all/cold_users/recall@20": math.nan},
    )
