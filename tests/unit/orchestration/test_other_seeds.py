"""What another seed changes is taken over from a home with the same dataset, features, windows and recipe alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from feature_repo.datasets.identity import Identity
from feature_repo.errors import InputError
from orchestration.identity import IDENTITY
from orchestration.other_seeds import take_over
from orchestration.reporting import tables
from orchestration.seed_noise import SEED_NOISE, UNKNOWN, SeedNoise, seed_noise
from serving.registry import PARENT, TRAINING, Training
from tests.unit.serving.memory_registry import MemoryRegistry
from training.recipes import base
from training.recipes.choice import Tried
from training.recipes.serialization import to_json

RANGES = {"all/recall@20": [0.3, 0.33], "all/ndcg@20": [0.1, 0.1]}


@dataclass(kw_only=True)
class Home(MemoryRegistry):
    """The registry of a home whose versions have files."""

    folder: Path

    @property
    def settings(self) -> SimpleNamespace:
        return SimpleNamespace(home=self.folder)

    def train(self, **tags: str) -> Path:
        """Register a version; return its folder."""
        self.add("passed", **tags)
        folder = self.download(len(self.stored))
        folder.mkdir(parents=True)
        (folder / "schema.json").write_text('{"dataset": "shop"}')
        (folder / "recipe.json").write_text(to_json(base()))
        return folder

    def download(self, version: int) -> Path:
        return self.folder / str(version)

    def read_file(self, version: int, name: str) -> str:
        return (self.download(version) / name).read_text()

    def learn(self, *events: str) -> None:
        """Note of which events the data is."""
        known = Identity(events=frozenset(events), users=frozenset({"u"}), items=frozenset({"i"}))
        self.set_model_tags({IDENTITY: known.to_text()})


@pytest.fixture
def seeds(tmp_path: Path) -> Home:
    """A home with two seeds."""
    home = Home(folder=tmp_path / "seeds")
    for _ in range(2):
        home.train(**{TRAINING: Training.FULL})
    home.learn("e1", "e2")
    home.model[SEED_NOISE] = json.dumps({"versions": [1, 2], "ranges": RANGES})
    return home


@pytest.fixture
def serves(tmp_path: Path) -> Home:
    """A home whose data has grown since, and whose full training has an update of another recipe after it."""
    home = Home(folder=tmp_path / "serves")
    home.train()
    update = home.train(**{TRAINING: Training.UPDATE, PARENT: "1"})
    (update / "recipe.json").write_text(to_json(replace(base(), dim=8)))
    home.learn("e2", "e3")
    return home


def carried(source: Home, target: Home) -> SeedNoise:
    return take_over(source, target)  # type: ignore[arg-type]


def test_later_reports_of_the_home_show_the_range_and_where_it_is_from(seeds: Home, serves: Home) -> None:
    assert seed_noise(serves, 1, {}) is None  # type: ignore[arg-type]
    noise = carried(seeds, serves)
    assert seed_noise(serves, 1, {}) == noise  # type: ignore[arg-type]
    assert f"2 versions of one training (1, 2 of {seeds.folder}) have all/recall@20 from 0.3000" in str(noise)


def test_a_report_without_a_range_says_that_none_is_known_and_how_to_measure_it() -> None:
    nothing = {"sanity": {}, "latency": None, "bias": None, "notes": (), "index_recall": 1.0, "index_users": 1}
    noise = SeedNoise(versions=[1, 2], ranges=RANGES)
    unknown, known = (tables.notes(SimpleNamespace(seeds=each, **nothing)) for each in (None, noise))  # type: ignore[arg-type]
    assert UNKNOWN in unknown and "gatehouse seeds" in UNKNOWN
    assert str(noise) in known and UNKNOWN not in known


def with_other_data(serves: Home) -> None:
    serves.learn("e4")


def with_other_windows(serves: Home) -> None:
    (serves.download(1) / "schema.json").write_text('{"dataset": "shop", "holdout": "7d"}')


def with_another_recipe(serves: Home) -> None:
    (serves.download(1) / "recipe.json").write_text(to_json(replace(base(), dim=8)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_other_data, "which has other data:"),
        (with_other_windows, "which has other features or windows:"),
        (with_another_recipe, "which has another recipe:"),
    ],
)
def test_a_range_of_something_else_is_refused(
    seeds: Home, serves: Home, change: Callable[[Home], None], reason: str
) -> None:
    change(serves)
    with pytest.raises(InputError, match=reason):
        carried(seeds, serves)
    assert SEED_NOISE not in serves.model


def test_a_choice_that_ended_otherwise_is_no_other_recipe(seeds: Home, serves: Home) -> None:
    chosen = serves.download(1)
    (chosen / "recipe.json").write_text(to_json(replace(base(), dim=8)))
    asked: list[Tried] = []
    (chosen / "choice.json").write_text(json.dumps({"asked": json.loads(to_json(base())), "tried": asked}))
    assert carried(seeds, serves).versions == [1, 2]


def test_without_two_seeds_there_or_a_training_here_it_is_said(seeds: Home, serves: Home, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no full training here: `gatehouse run` comes first"):
        carried(seeds, Home(folder=tmp_path / "empty"))
    del seeds.model[SEED_NOISE]
    with pytest.raises(InputError, match="knows no two seeds of one training of shop"):
        carried(seeds, serves)
