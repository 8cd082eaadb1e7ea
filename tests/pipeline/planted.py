"""A planted world in files, and a home folder in which the whole graph runs on it."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import yaml

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import View
from feature_repo.validation import kept
from feature_repo.validation.expectations import Report
from orchestration import cli
from orchestration.asset_values import Judged
from orchestration.cli.release import as_data
from orchestration.defs import release, training
from orchestration.local.home import prepare_home
from orchestration.pipeline import run_pipeline
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.open import open_retriever
from serving.registry import Registry, Run
from serving.settings import Settings
from tests.worlds import taste_groups
from training.recipes import (
    MLP,
    RECIPES,
    SALES,
    Additive,
    Impressions,
    ImpressionTask,
    MLPReranker,
    Negatives,
    Optimisation,
    RepeatTerm,
    TowerConfig,
    TrainConfig,
    Weighting,
)

POLICY: dict[str, Any] = {
    "margins": [{"baseline": "popularity", "metrics": ["all/recall@20"], "margin": 0.2}],
    "regression": {"metrics": ["all/recall@20", "all/ndcg@20"], "max_drop": 0.02},
    "index_recall": 0.95,
    "min_holdout_users": 50,
}
"""In a world in which popularity is no help, beating it by far is no luck."""


def world(dataset: str) -> Tables:
    """120 users and 160 items in four groups: a list of 20 that is all of the right group finds half of what comes."""
    return taste_groups(items=160, dataset=dataset)


def quick() -> TrainConfig:
    """Seconds instead of minutes, and enough for four taste groups."""
    tower = TowerConfig(user=MLP(hidden=(32,)), item=MLP(hidden=(32,)), embedding_dim=8)
    optimisation = Optimisation(batch_size=256, epochs=3)
    return TrainConfig(
        dim=16, tower=tower, leave_out=SALES, weighting=Weighting(min_count=2), optimisation=optimisation
    )


def repeating() -> TrainConfig:
    """`quick` with a term for what a user had before."""
    return replace(quick(), repeat=RepeatTerm())


def scoring() -> TrainConfig:
    """`quick` with a reranker of few candidates."""
    return replace(quick(), reranker=MLPReranker(candidates=30))


def shown() -> TrainConfig:
    """`quick` with what was shown in vain as negatives."""
    return replace(quick(), negatives=Negatives(hard=Impressions(number=2)))


def leaning() -> TrainConfig:
    """`quick` with an item prior."""
    return replace(quick(), prior=True)


def clicking() -> TrainConfig:
    """`quick` that learns clicks of impressions too, with a model of their bias."""
    return replace(quick(), impressions=ImpressionTask(bias=Additive()))


def write_world(folder: Path, tables: Tables) -> Path:
    """The tables as a user would bring them: CSV and Parquet files, and the YAML that names their columns."""
    folder.mkdir(parents=True)
    tables.events.write_csv(folder / "events.csv")
    tables.users.write_parquet(folder / "users.parquet")
    tables.items.write_csv(folder / "items.csv")
    title = {"kind": "text", "length": 6, "tower": False, "display": True}
    config = {
        "dataset": tables.schema.dataset,
        "seen_items_may_return": True,
        "events": {
            "file": "events.csv",
            "user": "user_id",
            "item": "item_id",
            "timestamp": "timestamp",
            "created": "created",
            "value": "value",
            "basket": "basket_id",
        },
        "users": {"file": "users.parquet", "id": "user_id", "features": {"region": {"kind": "categorical"}}},
        "items": {
            "file": "items.csv",
            "id": "item_id",
            "features": {"kind": {"kind": "categorical", "filterable": True}, "title": title},
        },
    }
    (folder / "gatehouse.yaml").write_text(yaml.safe_dump(config))
    return folder


SMALL = (quick, repeating, scoring, shown, leaning, clicking)
"""Recipes that a home of these tests knows by name."""


@contextmanager
def lightened() -> Iterator[None]:
    """Tables pass without a look by Great Expectations, and nothing is drawn."""

    def passed(view: View, frame: pl.LazyFrame, *, docs: Path) -> Report:
        page = docs / view.name / kept.INDEX
        page.parent.mkdir(parents=True, exist_ok=True)
        page.touch()
        return Report(success=True, failures=(), expectations=0, docs=page, summary=())

    with (
        patch.object(kept, "validate", passed),
        patch.object(release, "evaluation_figures", lambda measured: {}),
        patch.object(training, "training_figure"),
        patch.object(Run, "log_figure"),
    ):
        yield


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, kw_only=True)
class Home:
    """A home folder, and the gate policy that its runs are judged by."""

    root: Path
    is_light: bool = False
    """Whether runs pass expectations unseen and draw no figures."""

    @property
    def settings(self) -> Settings:
        return Settings.from_environment(
            {"GATEHOUSE_HOME": str(self.root / "home"), "GATEHOUSE_POLICY": str(self.root / "gate.yaml")}
        )

    def light(self) -> Home:
        """The same home for a story of many runs: other tests have expectations and figures, half of a run's time."""
        return replace(self, is_light=True)

    @contextmanager
    def entered(self, **policy: Any) -> Iterator[None]:
        """The process as a command of this home has it: environment, recipes, log; with a changed policy."""
        (self.root / "gate.yaml").write_text(yaml.safe_dump(POLICY | policy))
        logger = logging.getLogger()
        handlers, level = list(logger.handlers), logger.level
        paths = {"GATEHOUSE_HOME": str(self.settings.home), "GATEHOUSE_POLICY": str(self.settings.gate_policy)}
        with (
            patch.dict(os.environ, paths),
            patch.dict(RECIPES, {recipe.__name__: recipe for recipe in SMALL}),
            lightened() if self.is_light else nullcontext(),
        ):
            prepare_home(self.settings)
            try:
                yield
            finally:
                logger.handlers[:] = handlers
                logger.setLevel(level)
                logging.captureWarnings(False)

    def run(self, folder: Path, *, policy: dict[str, Any] | None = None, **config: Any) -> Judged:
        """`run_pipeline` on a world's folder."""
        with self.entered(**(policy or {})):
            return run_pipeline({"dataset": "own", "data": str(folder), "recipe": "quick", **config}, quiet=True)

    def command(self, *arguments: str | Path, **policy: Any) -> Ended:
        """`gatehouse ARGUMENTS`, in this process."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        argv = ["gatehouse", *map(str, arguments)]
        with self.entered(**policy), patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Ended(code=code, out=out.getvalue(), err=err.getvalue())

    def champion(self, dataset: str) -> int | None:
        return Registry(self.settings, dataset).champion()

    def versions(self, dataset: str) -> list[int]:
        """Those that `gatehouse releases` lists, newest first."""
        return [each.version for each in Registry(self.settings, dataset).versions()]

    def alias(self, dataset: str) -> str | None:
        """The collection that the dataset's alias points at."""
        with MilvusIndex(self.settings, Fields(types={})) as index:
            return index.target(f"{dataset}_items")

    def answers(self, dataset: str, users: tuple[str, ...] = ("u000", "u001", "u063", "nobody")) -> str:
        """What the champion answers to some users, as text that differs wherever the answers do."""
        with open_retriever(self.settings, dataset) as retriever:
            return json.dumps([as_data(retriever.recommend(user, 20)) for user in users])

    def embeddings(self, judged: Judged) -> pl.DataFrame:
        """item_id and embedding of a version's corpus."""
        return pl.read_parquet(judged.version.frames.parent / f"v{judged.version.version}" / "item_embeddings")

    def leftovers(self) -> list[Path]:
        """Half-written files and folders."""
        return sorted(self.settings.home.rglob("*.partial*"))

    def files(self) -> dict[str, tuple[int, int] | None]:
        """Size and time of all files (None: a folder), but for those in which every command is recorded."""
        paths = [(path, path.relative_to(self.settings.home)) for path in self.settings.home.rglob("*")]
        kept = {str(name): path for path, name in paths if name.parts[0] not in ("dagster", "logs", "format")}
        stats = {name: path.stat() for name, path in kept.items()}
        return {name: None if kept[name].is_dir() else (s.st_size, s.st_mtime_ns) for name, s in stats.items()}
