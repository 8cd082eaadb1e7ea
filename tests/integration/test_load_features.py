"""The online load of a run: it applies its schema each time, and swallows no error but that of newer features."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta

import pytest

from feature_repo.datasets.canonical import default_as_of
from feature_repo.datasets.stored import write_tables
from feature_repo.errors import InputError
from feature_repo.schema import Entity
from feature_repo.store.sqlite_online import SqliteStore, features_as_of, open_store
from feature_repo.tables.parquet import TableWriter
from feature_repo.tables.parts import feature_parts
from orchestration.asset_values import Features, Source
from orchestration.online import load_features
from orchestration.workspace import Workspace
from serving.registry import Registry
from serving.settings import Settings
from tests.integration.release_world import empty_database, fresh_home
from tests.worlds import taste_groups

TABLES = taste_groups(users=8, items=8, days=20, per_day=4)
AS_OF = default_as_of(TABLES)
RECORD = "user.checked.json"


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Features]:
    """A home with validated tables, without versions."""
    root = tmp_path_factory.mktemp("load")
    settings = fresh_home(root / "home", empty_database(root / "template"))
    folder = root / "data"
    (folder / "source").mkdir(parents=True)
    write_tables(TABLES, folder / "source")
    times = {"as_of": AS_OF, "validation_start": AS_OF - timedelta(days=4), "cut": AS_OF - timedelta(days=2)}
    source = Source(dataset="world", folder=folder / "source", sha256="", **times)
    for entity in Entity:
        (folder / "features" / entity.value).mkdir(parents=True)
        with TableWriter(folder / "features" / entity.value) as writer:
            for part in feature_parts(TABLES, entity, tuple(times.values())):
                for name, table in part.items():
                    writer.write(name, table)
    (folder / RECORD).write_text(json.dumps({"key": "a", "reports": {}}))
    return settings, Features(source=source, folder=folder / "features" / "user")


def load(settings: Settings, features: Features, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """Rows that were written, and warnings."""
    monkeypatch.setenv("GATEHOUSE_HOME", str(settings.home))
    warnings: list[str] = []
    now = (AS_OF + timedelta(days=1)).isoformat()
    record = features.folder.parents[1] / RECORD
    loaded = load_features(Workspace(dataset="own", now=now), features, record, warnings.append)
    return sum(each.written for each in loaded), warnings


def test_lost_features_are_applied_and_loaded_again(
    features: tuple[Settings, Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, value = features
    assert Registry(settings, "world").champion() is None
    first = load(settings, value, monkeypatch)
    assert first[0] > 0
    assert load(settings, value, monkeypatch) == (0, [])
    shutil.rmtree(settings.feast_home)  # and the data stays: no step of the run is computed again
    settings.create_home()
    assert load(settings, value, monkeypatch) == first
    store = open_store(TABLES.schema, settings.feast_home)
    assert isinstance(store, SqliteStore)
    assert store.known(Entity.USER) == TABLES.users["user_id"].sort().to_list()
    assert features_as_of(TABLES.schema, settings.feast_home) == AS_OF


def test_newer_features_are_left_and_all_other_errors_end_the_run(
    features: tuple[Settings, Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, value = features
    load(settings, value, monkeypatch)
    former = value.source.model_copy(update={"as_of": AS_OF - timedelta(days=1)})
    written, warnings = load(settings, value.model_copy(update={"source": former}), monkeypatch)
    assert written == 0
    assert any("already loaded as of" in warning for warning in warnings)

    def broken(self: SqliteStore, entity: Entity, as_of: object, **options: object) -> int:
        raise InputError("feature service 'world_user' is not registered")

    monkeypatch.setattr("feature_repo.store.loading.Loading.load_online", broken)
    shutil.rmtree(settings.feast_home)
    settings.create_home()
    with pytest.raises(InputError, match="is not registered"):
        load(settings, value, monkeypatch)
