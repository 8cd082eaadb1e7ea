"""The home folder and the environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from orchestration.home import log_to_file, prepare_home
from serving.settings import Settings


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """The environment and the root logger as they were."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with patch.dict(os.environ):
        yield
    root.handlers[:] = handlers
    root.setLevel(level)


def prepared(home: Path) -> Settings:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(home)})
    prepare_home(settings)
    return settings


def test_dagster_finds_its_instance_in_the_home(tmp_path: Path) -> None:
    import dagster as dg

    prepared(tmp_path / "home")
    with dg.DagsterInstance.get() as instance:
        assert instance.root_directory == str(tmp_path / "home" / "dagster")
        assert instance.telemetry_enabled is False
        assert instance.nux_enabled is False
    assert any((tmp_path / "home" / "dagster" / "history").iterdir())


def test_children_get_an_absolute_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare_home(Settings(home=Path("home"), mlflow_uri="sqlite:///unused.db"))
    monkeypatch.chdir("/")
    assert Settings.from_environment(os.environ).home == tmp_path / "home"
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "home" / "dagster")


def test_an_edited_dagster_yaml_stays(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    path = tmp_path / "dagster" / "dagster.yaml"
    path.write_text("telemetry: {enabled: false}\n# mine\n")
    prepare_home(settings)
    assert path.read_text().endswith("# mine\n")


def test_another_format_is_refused(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    (tmp_path / "format").write_text("99\n")
    with pytest.raises(RuntimeError, match="'99'"):
        prepare_home(settings)


def test_the_log_goes_to_the_home_that_was_named_last(tmp_path: Path) -> None:
    one, two = prepared(tmp_path / "one"), prepared(tmp_path / "two")
    log_to_file(one)
    logging.getLogger("training").info("first")
    log_to_file(two)
    log_to_file(two)
    logging.getLogger("training").info("second")
    logging.getLogger("training").debug("too much")
    logged = {name: (tmp_path / name / "logs" / "gatehouse.log").read_text() for name in ("one", "two")}
    assert "first" in logged["one"]
    assert "second" not in logged["one"]
    assert logged["two"].count("\n") == 1
    assert f" {os.getpid()} INFO training: second\n" in logged["two"]
