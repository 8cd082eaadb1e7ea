"""The home folder and the environment."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from orchestration.local.home import log_to_file, prepare_home
from serving.settings import Settings
from serving.variables import DAGSTER_STORAGE


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """The environment and the root logger as they were."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with patch.dict(os.environ):
        yield
    root.handlers[:] = handlers
    root.setLevel(level)


def prepared(home: Path, **variables: str) -> Settings:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(home), **variables})
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


OPEN = """
import sys; from pathlib import Path
from orchestration.local.home import dagster_instance, prepare_home
from serving.settings import Settings
prepare_home(Settings.from_environment({"GATEHOUSE_HOME": sys.argv[1]}))
import dagster
print(flush=True); sys.stdin.readline()
with dagster_instance() as instance:
    print(instance.get_runs_count())
"""


def test_commands_that_open_a_new_home_at_once_do_not_spoil_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path / "home")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    openers = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    ended = [(opener.communicate()[0], opener.returncode) for opener in openers]
    assert ended == [("0\n", 0)] * 4
    again = subprocess.run(command, input="go\n", capture_output=True, text=True)
    assert again.stdout == "\n0\n", again.stderr


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


def test_a_dagster_yaml_of_a_former_gatehouse_gets_the_retention_of_ticks(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    path = tmp_path / "dagster" / "dagster.yaml"
    made = path.read_text()
    path.write_text("".join(made.partition("nux:\n  enabled: false\n")[:2]))
    prepare_home(settings)
    assert path.read_text() == made
    assert yaml.safe_load(made)["retention"]["sensor"]["purge_after_days"]["skipped"] == 3


def test_dagster_yaml_names_the_storage_of_the_settings(tmp_path: Path) -> None:
    pytest.importorskip("dagster_postgres", reason="pip install 'gatehouse[postgres]'")
    path, storage = tmp_path / "dagster" / "dagster.yaml", {DAGSTER_STORAGE: "postgresql+psycopg2://me:secret@there/db"}
    prepared(tmp_path)
    plain = path.read_text()
    prepared(tmp_path, **storage)
    text = path.read_text()
    assert yaml.safe_load(text)["storage"] == {"postgres": {"postgres_url": {"env": DAGSTER_STORAGE}}}
    assert yaml.safe_load(text)["telemetry"] == {"enabled": False}
    assert "secret" not in text
    prepared(tmp_path)
    assert path.read_text() == plain
    # An edited file is never touched, so it has to agree.
    path.write_text(f"{plain}# mine\n")
    with pytest.raises(RuntimeError, match=f"{DAGSTER_STORAGE} is set, and .*dagster.yaml, which was edited, does not"):
        prepared(tmp_path, **storage)
    path.write_text(f"{text}# mine\n")
    prepared(tmp_path, **storage)
    with pytest.raises(RuntimeError, match=f"{DAGSTER_STORAGE} is not set, and .*, names it"):
        prepared(tmp_path)
    assert path.read_text() == f"{text}# mine\n"


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
