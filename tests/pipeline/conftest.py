"""One home folder for all pipeline tests. Datasets do not touch each other, so each module brings its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from orchestration.asset_values import Judged
from tests.pipeline.planted import Home, world, write_world


@dataclass(frozen=True, kw_only=True)
class Released:
    """The world after its first run. Nothing runs on this dataset but that and what leaves no trace."""

    dataset: str
    folder: Path
    judged: Judged
    answers: str


@pytest.fixture(scope="session")
def whole_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """On one thread: on a machine that has other work too, threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Home(root=tmp_path_factory.mktemp("pipeline"))
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def home(whole_home: Home) -> Home:
    """The home of a module; one may have a lighter one in its place."""
    return whole_home


@pytest.fixture(scope="session")
def released(whole_home: Home) -> Released:
    folder = write_world(whole_home.root / "world", world("world"))
    judged = whole_home.run(folder)
    return Released(dataset="world", folder=folder, judged=judged, answers=whole_home.answers("world"))
