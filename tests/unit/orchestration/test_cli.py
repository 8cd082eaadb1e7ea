"""The command: quick help, one line for errors of users, no needless import."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from feature_repo.errors import InputError
from orchestration import cli
from orchestration.cli import application, release
from orchestration.cli.home import guess_dataset, released_dataset
from orchestration.cli.run import announcement, run
from serving.release.manifest import ReleaseError
from serving.settings import Settings

HEAVY = {"dagster", "feast", "great_expectations", "mlflow", "numpy", "pandas", "polars", "pymilvus", "torch"}
HELP = f"""
import sys
from orchestration import cli
sys.argv = ["gatehouse", *sys.argv[1:]]
try:
    cli.main()
finally:
    print("imported:", *{HEAVY!r} & set(sys.modules))
"""


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", "")  # put back at the end: preparing a home sets it
    return Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path / "home")})


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Exit code of `gatehouse ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["gatehouse", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("recommend", "--help")])
def test_help_takes_less_than_a_second_and_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """Its own CPU seconds: what else runs on the machine does not count."""
    before = os.times()
    done = subprocess.run([sys.executable, "-c", HELP, *arguments], capture_output=True, text=True, check=True)
    after = os.times()
    assert "Usage: gatehouse" in done.stdout
    assert done.stdout.splitlines()[-1] == "imported:"
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1


@pytest.mark.parametrize(
    "error",
    [InputError("events.csv: bad"), ReleaseError("not passed"), LookupError("no version 7"), OSError(28, "full")],
)
def test_an_error_that_a_user_can_act_on_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(application, "app", raising(error))
    assert command(monkeypatch) == 1
    assert capsys.readouterr() == ("", f"gatehouse: {error}\n")


@pytest.mark.parametrize("error", [TypeError("bug"), KeyError("bug"), IndexError("bug"), AssertionError("bug")])
def test_a_bug_is_a_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "app", raising(error))
    with pytest.raises(type(error)):
        cli.main()


def test_the_traceback_of_a_user_error_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_TRACEBACK", "1")
    monkeypatch.setattr(application, "app", raising(InputError("bad")))
    with pytest.raises(InputError):
        cli.main()


def test_the_traceback_is_in_the_log(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(monkeypatch, "releases") == 1
    log = (settings.home / "logs" / "gatehouse.log").read_text()
    assert "Traceback" in log
    assert "LookupError: nothing was run yet" in log


@pytest.mark.parametrize(
    "arguments", [("releases",), ("recommend", "u1"), ("rollback",), ("promote", "1")], ids=lambda each: each[0]
)
def test_before_the_first_run(
    arguments: tuple[str, ...],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(monkeypatch, *arguments) == 1
    said = f"gatehouse: nothing was run yet in {settings.home}: `gatehouse run` comes first\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nosuch",),
        ("run", "--nosuch"),
        ("run", "--seed", "x"),
        ("recommend",),
        ("recommend", "u1", "--all"),
        ("recommend", "--all"),
        ("recommend", "u1", "--out", "x.parquet"),
        ("recommend", "u1", "-k", "0"),
        ("promote", "0"),
        ("up", "--mlflow-port", "0"),
    ],
)
def test_wrong_arguments_touch_nothing(
    arguments: tuple[str, ...], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(monkeypatch, *arguments) == 2
    assert not settings.home.exists()


def test_a_dry_run_plans_and_writes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(dataset="tiny", dry_run=True, as_json=True)
    planned = json.loads(capsys.readouterr().out)
    assert planned["events"] > 1000
    assert planned["validation_start"] < planned["cut"] < planned["as_of"]
    assert planned["holdout"] == planned["validation"] == "14d"
    assert 0 < planned["holdout_days"] <= 14
    assert planned["features"]["item"]["title"] == "text"
    run(dataset="tiny", dry_run=True)
    text = capsys.readouterr().out
    assert f"tiny: {planned['events']:,} events" in text
    assert f"({planned['holdout_days']:g} days; holdout: 14d)" in text
    assert not settings.home.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("recomend", "u1"), 2, "did you mean 'recommend'?"),
        (("run", "--dry-run", "--dataset", "tinny"), 1, "did you mean 'tiny'?"),
        (("run", "--dry-run", "--dataset", "tiny", "--recipe", "bse"), 1, "did you mean 'base'?"),
        (("run", "--dry-run", "--dataset", "tiny", "--as-of", "yesterday"), 1, "wanted an ISO time"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest_right_one(
    arguments: tuple[str, ...],
    code: int,
    said: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(monkeypatch, *arguments) == code
    assert said in " ".join(capsys.readouterr().err.split())
    assert not settings.home.exists()


def test_a_wrong_recipe_is_refused_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    environment = os.environ | {"GATEHOUSE_HOME": str(tmp_path / "home")}
    arguments = ["run", "--dataset", "tiny", "--recipe", "bse"]
    ended = subprocess.run([sys.executable, "-c", HELP, *arguments], env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert set(ended.stdout.split()) <= {"imported:", "numpy", "polars"}
    assert "no recipe 'bse'; did you mean 'base'?" in ended.stderr
    assert not (tmp_path / "home").exists()


def test_status_of_a_home_that_is_new(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "status") == 0
    assert "none; `gatehouse run` makes the first release" in capsys.readouterr().out


def test_the_dataset_follows_from_the_folder(tmp_path: Path) -> None:
    assert guess_dataset(None) == "completejourney"
    assert guess_dataset(tmp_path) == "movielens"
    (tmp_path / "gatehouse.yaml").write_text("")
    assert guess_dataset(tmp_path) == "own"
    with pytest.raises(InputError, match="no such folder"):
        guess_dataset(tmp_path / "absent")


def raising(error: Exception) -> object:
    def fail() -> None:
        raise error

    return fail


def test_help_is_grouped_in_the_order_of_use(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(monkeypatch, "--help") == 0
    said = capsys.readouterr().out
    places = [said.index(f" {word} ") for word in ("Start", "run", "init", "Release", "recommend", "Operate", "status")]
    assert places == sorted(places)
    assert command(monkeypatch, "run", "--help") == 0
    assert "gatehouse run --dataset tiny" in " ".join(capsys.readouterr().out.split())


def test_ctrl_c_is_one_line_and_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestration.cli.run.show_plan", interrupted)
    assert command(monkeypatch, "run", "--dry-run", "--dataset", "tiny") == application.INTERRUPTED == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "gatehouse: interrupted; the same command resumes from the last finished step\n"


def test_a_release_is_of_a_dataset_that_the_home_knows(settings: Settings) -> None:
    assert released_dataset(settings, "any") == "any"  # an empty home may still have a registry
    (settings.home / "data" / "shop").mkdir(parents=True)
    assert released_dataset(settings, "shop") == "shop"
    with pytest.raises(LookupError, match="no dataset 'shp'; did you mean 'shop'"):
        released_dataset(settings, "shp")
    elsewhere = replace(settings, mlflow_uri="http://127.0.0.1:1")
    assert released_dataset(elsewhere, "shp") == "shp"


def test_a_run_says_first_what_it_will_do(settings: Settings) -> None:
    config = {"dataset": "own", "data": "my_shop", "as_of": None, "update": None, "warm_start": "7", "seed": 3}
    config |= {"recipe": "base", "device": "cpu", "retrain": False}
    first, home, last = announcement(settings, config).splitlines()
    assert first == "own in my_shop: a full training, initialised from 7, recipe base, seed 3, device cpu"
    assert str(settings.home) in home
    assert "the same input gives the same version" in home
    assert "Ctrl-C" in last
    updated = announcement(settings, config | {"warm_start": None, "update": "champion", "retrain": True})
    assert "an incremental update of champion" in updated
    assert "a new version is trained" in updated


def test_an_answer_of_a_service_waits_for_no_registry(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    away = replace(settings, mlflow_uri="http://127.0.0.1:1")
    assert release._override(away, "shop", 1) is None
    assert "not known: MLflow at http://127.0.0.1:1 does not answer" in capsys.readouterr().err
