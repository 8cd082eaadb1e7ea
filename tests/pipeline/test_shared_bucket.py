"""Two homes, one registry and one bucket: the second goes on where the first ended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from orchestration.asset_values import Judged
from orchestration.defs import features, training
from orchestration.verification import HELD, verify_version
from serving.settings import Settings
from tests.integration.production_servers import BUCKET, s3_bucket
from tests.pipeline.planted import Home, world, write_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DATASET = "shared"
OPEN = {"regression": {"metrics": ["all/recall@20"], "max_drop": 0.5}}
"""A gate that another seed passes."""


@dataclass(frozen=True, kw_only=True)
class Shared(Home):
    """A home with services that another home has too."""

    services: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        own = {"GATEHOUSE_HOME": str(self.root / "home"), "GATEHOUSE_POLICY": str(self.root / "gate.yaml")}
        return Settings.from_environment({**self.services, **own})


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shared, Shared]]:
    root = tmp_path_factory.mktemp("homes")
    services = {
        "GATEHOUSE_MLFLOW_URI": f"sqlite:///{root}/mlflow.db",
        "GATEHOUSE_ARTIFACTS": f"s3://{BUCKET}/artifacts",
        "GATEHOUSE_DATA": f"s3://{BUCKET}/data",
    }
    with s3_bucket(), patch.dict(os.environ, services):
        first, second = (Shared(root=root / name, is_light=True, services=services) for name in ("first", "second"))
        for home in (first, second):
            home.root.mkdir()
        yield first, second


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("data") / "world", world(DATASET))


@pytest.fixture(scope="module")
def released(homes: tuple[Shared, Shared], folder: Path) -> Judged:
    return homes[0].run(folder, policy=OPEN)


def test_the_second_home_computes_nothing_anew(homes: tuple[Shared, Shared], folder: Path, released: Judged) -> None:
    first, second = homes

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("computed, though the first home has done it")

    with (
        patch.multiple(features, write_tables=refuse, feature_parts=refuse),
        patch.multiple(training, join=refuse, _train=refuse),
    ):
        again = second.run(folder, policy=OPEN)
    assert (again.version.version, again.version.reused) == (released.version.version, True)
    assert again.version.frames.is_relative_to(second.root)
    assert second.answers(DATASET) == first.answers(DATASET)
    found = verify_version(second.settings, DATASET, released.version.version)
    assert set(found.values()) == {HELD}, found


def test_the_second_home_takes_a_promotion_back(homes: tuple[Shared, Shared], folder: Path, released: Judged) -> None:
    first, second = homes
    before = first.answers(DATASET)
    assert first.run(folder, policy=OPEN, seed=1).version.version == first.champion(DATASET) == 2
    assert second.command("rollback", "--dataset", DATASET).code == 0
    assert (first.champion(DATASET), first.answers(DATASET)) == (1, before)
