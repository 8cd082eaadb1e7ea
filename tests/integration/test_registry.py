"""The registry on a real MLflow in SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from serving.registry import DAGSTER_RUN, INPUT_KEY, OUTCOME, Lineage, Registry
from serving.registry.sqlite import REVISION, SqliteRegistry, open_registry
from serving.registry.versions import DESCRIPTION_LENGTH
from serving.settings import Settings
from tests.integration.release_world import DATASET, ITEMS, schema, write_artifacts


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path_factory.mktemp("home"))})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifacts(tmp_path_factory.mktemp("artifacts") / "any-name", schema())


@pytest.fixture(scope="module")
def version(settings: Settings, folder: Path) -> int:
    """One complete version, with everything that a run logs."""
    import matplotlib.pyplot as plt

    figure = plt.figure()
    with Registry(settings, DATASET).run("towers", {"seed": "1"}) as run:
        run.log_params({"dim": 64})
        run.log_epoch({"loss": 2.0}, 0)
        run.log_epoch({"loss": 1.0}, 1)
        run.log_metrics({"all/recall@20": 0.25, "all/cold_users/ndcg@100": 0.5})
        run.log_figure(figure, "plots/loss.png")
        run.log_artifact(folder / "recipe.json")
        run.log_dataset(Lineage(name=DATASET, path=folder, digest="0123456789abcdef"))
        return run.register(folder, {INPUT_KEY: "first", "seed": "1"})


def test_a_version_holds_the_artifacts_as_they_were(settings: Settings, folder: Path, version: int) -> None:
    stored = Registry(settings, DATASET).download(version)
    assert settings.home in stored.parents  # used where it lies, not copied
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_a_version_is_found_by_its_input(settings: Settings, version: int) -> None:
    registry = Registry(settings, DATASET)
    assert registry.find("first") == version
    assert registry.find("second") is None
    assert Registry(settings, "other").find("first") is None


def test_summaries_hold_the_logged_metrics(settings: Settings, version: int) -> None:
    registry = Registry(settings, DATASET)
    registry.set_tags(version, {OUTCOME: "passed"})
    summary = next(summary for summary in registry.versions() if summary.version == version)
    assert summary.metrics == {"loss": 1.0, "all/recall@20": 0.25, "all/cold_users/ndcg@100": 0.5}
    assert (summary.outcome, summary.champion, summary.tags["seed"]) == ("passed", False, "1")
    assert abs((datetime.now(UTC).replace(tzinfo=None) - summary.created).total_seconds()) < 600
    run = registry.run_url(version)
    assert run.startswith("http://127.0.0.1:5000/#/experiments/")
    assert registry.run_url(version, "difference.html") == f"{run}/artifacts/difference.html"


def test_the_run_is_linked_to_its_data(settings: Settings, folder: Path, version: int) -> None:
    import mlflow

    client = mlflow.MlflowClient(settings.mlflow_uri)
    run = client.get_run(client.get_model_version(DATASET, str(version)).run_id)
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == (DATASET, "0123456789abcdef")
    assert str(folder) in used.dataset.source
    assert run.data.params == {"dim": "64"}
    assert [point.value for point in client.get_metric_history(run.info.run_id, "loss")] == [2.0, 1.0]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"plots", "recipe.json"}


@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_breaks_leaves_no_version(
    settings: Settings, folder: Path, error: type[BaseException], status: str
) -> None:
    import mlflow

    registry = Registry(settings, "broken")
    with pytest.raises(error), registry.run("towers") as run:
        run.register(folder, {INPUT_KEY: status})
        raise error
    assert mlflow.MlflowClient(settings.mlflow_uri).get_run(run.id).info.status == status
    assert registry.find(status) is None
    assert registry.versions() == []


def test_the_newest_version_of_an_input_is_found(settings: Settings, folder: Path) -> None:
    registry = Registry(settings, "twice")
    versions: list[int] = []
    for _ in range(2):
        with registry.run("towers") as run:
            versions.append(run.register(folder, {INPUT_KEY: "same"}))
    assert registry.find("same") == max(versions) == 2
    assert [summary.version for summary in registry.versions()] == [2, 1]


def test_the_champion_moves(settings: Settings, folder: Path) -> None:
    registry = Registry(settings, "moving")
    assert registry.champion() is None
    with registry.run("towers") as run:
        version = run.register(folder, {INPUT_KEY: "any"})
    assert registry.champion() is None
    registry.set_champion(version)
    assert registry.champion() == version
    assert [summary.version for summary in registry.versions() if summary.champion] == [version]


def test_texts_of_a_version(settings: Settings, version: int) -> None:
    registry = Registry(settings, DATASET)
    registry.write_text(version, "note.json", '{"käse": 1}')
    assert registry.read_text(version, "note.json") == '{"käse": 1}'
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        registry.read_text(version, "absent.json")


def test_a_line_is_added_to_a_description_once_and_takes_nothing_away(
    settings: Settings, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(settings, DATASET)
    with registry.run("towers") as run:
        told, untold = (run.register(folder, {INPUT_KEY: "described"}, card=card) for card in ("Recipe\nbase.", ""))
    for version in (told, untold):
        for line in ("one", "two", "one"):
            registry.describe(version, line)
    descriptions = [registry._client.get_model_version(DATASET, str(each)).description for each in (told, untold)]
    assert descriptions == ["Recipe\nbase.\n\none\n\ntwo", "one\n\ntwo"]
    registry.describe(told, "x" * DESCRIPTION_LENGTH)
    assert registry._client.get_model_version(DATASET, str(told)).description == descriptions[0]
    assert "has no room" in caplog.text


def test_an_unknown_version_is_named(settings: Settings, version: int) -> None:
    registry = Registry(settings, DATASET)
    for ask in (registry.tags, registry.download, registry.run_url):
        with pytest.raises(LookupError, match="no version 99"):
            ask(99)


def test_mlflow_serves_both_towers(settings: Settings, version: int) -> None:
    import mlflow

    from serving.model.bundle import ModelBundle

    registry = Registry(settings, DATASET)
    item = ModelBundle.from_folder(registry.download(version)).item
    mlflow.set_registry_uri(settings.mlflow_uri)
    mlflow.set_tracking_uri(settings.mlflow_uri)
    model = mlflow.pyfunc.load_model(f"models:/{DATASET}/{version}")
    arrays = item.encoder.encode(ITEMS)
    np.testing.assert_allclose(model.predict(arrays, params={"tower": "item"}), item.embed(ITEMS), atol=1e-6)
    users = {"user_id": np.array([1], np.int32), "liked": np.array([3], np.int32)}
    np.testing.assert_allclose(model.predict(users), [[1.0, 0.0]], atol=1e-6)
    with pytest.raises(ValueError, match="wanted 'user' or 'item'"):
        model.predict(users, params={"tower": "both"})


def test_sqlite_reads_what_mlflow_reads(settings: Settings, folder: Path, version: int, tmp_path: Path) -> None:
    """An upgrade of MLflow that changes its tables is noticed here: then the reader is MLflow's again."""
    assert type(open_registry(Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path)}), DATASET)) is Registry
    registry, reader = Registry(settings, "read"), open_registry(settings, "read")
    assert isinstance(reader, SqliteRegistry)
    assert reader.champion() is None
    versions: list[int] = []
    for number in range(3):
        with registry.run("towers", {DAGSTER_RUN: f"run {number}"}) as run:
            versions.append(run.register(folder, {INPUT_KEY: f"\"{number}' ü"}))
    with registry.run("towers"):
        pass  # a training without a version
    registry.write_text(versions[0], "manifest.json", "Früchte\n")
    registry.set_champion(versions[1])
    registry.set_champion(versions[0])
    registry._client.delete_model_version("read", str(versions[1]))
    for each in (versions[0], versions[2]):
        assert reader.champion() == registry.champion() == versions[0]
        assert reader.tags(each) == registry.tags(each)
        assert reader.download(each) == registry.download(each)
    assert {each.id: each for each in reader.trainings()} == {each.id: each for each in registry.trainings()}
    trained = [(each.version, each.dagster_run) for each in registry.trainings()]
    assert sorted(trained, key=str) == [(1, "run 0"), (3, "run 2"), (None, "run 1"), (None, None)]
    assert reader.read_text(versions[0], "manifest.json") == "Früchte\n"
    with pytest.raises(FileNotFoundError, match="has no manifest"):
        reader.read_text(versions[2], "manifest.json")
    for gone in (versions[1], 77):
        for read in (reader.tags, reader.download, registry.tags):
            with pytest.raises(LookupError, match=f"no version {gone}"):
                read(gone)


def test_tables_of_another_mlflow_are_left_to_it(settings: Settings, version: int) -> None:
    path = settings.home / "mlflow" / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'later'")
    try:
        assert type(open_registry(settings, DATASET)) is Registry
    finally:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (REVISION,))
    assert open_registry(settings, DATASET).tags(version)["seed"] == "1"
