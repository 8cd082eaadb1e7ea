"""A home with released versions of the small world, their users online, and a running `gatehouse serve`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from feature_repo.schema import CREATED_TIME, Entity
from feature_repo.store.definitions import table_path
from feature_repo.store.store import Store
from serving.release.promotion import promote
from serving.settings import Settings
from tests.integration.release_world import (
    DATASET,
    NOW,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)
from tests.integration.users_world import random_users

ROOT = Path(__file__).parents[2]
SERVE = (sys.executable, "-m", "orchestration.cli", "serve", "--dataset", DATASET)
SECONDS = 60
"""Longest wait for anything."""


def released_home(root: Path, *, versions: int) -> Settings:
    """Make a home with sealed versions, each with a model of its own, and the users online; version 1 is champion."""
    settings = fresh_home(root / "home", empty_database(root / "template"))
    for number in range(versions):
        folder = write_artifacts(root / f"artifacts{number}", schema(), slope=0.1 + number)
        seal_as(settings, register(settings, folder, input_key=f"key{number}"))
    load_users(settings, root / "tables")
    promote(settings, DATASET, 1)
    return settings


def release_first_version(settings: Settings, folder: Path) -> None:
    """Seal a first version in a home that is in use, with its users online, and make it champion."""
    seal_as(settings, register(settings, write_artifacts(folder / "artifacts", schema())))
    load_users(settings, folder / "tables")
    promote(settings, DATASET, 1)


def load_users(settings: Settings, folder: Path) -> None:
    """Load random users online."""
    users = random_users().with_columns(pl.lit(NOW).alias(CREATED_TIME))
    for view in schema().views_of(Entity.USER):
        path = table_path(folder, view)
        path.parent.mkdir(parents=True, exist_ok=True)
        users.select("user_id", "event_timestamp", CREATED_TIME, *view.columns).write_parquet(path)
    store = Store(schema(), settings.feast_home)
    store.apply(folder, (Entity.USER,))
    store.load_online(Entity.USER, NOW)


@dataclass
class Served:
    """A running service."""

    settings: Settings
    process: subprocess.Popen[str]
    address: str

    def get(self, path: str, data: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
        """Status, body and headers of an answer."""
        body = None if data is None else json.dumps(data).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.address + path, body, sent)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, json.loads(answer.read()), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), error.headers

    def state(self) -> dict[str, Any]:
        """Body of /readyz."""
        found: dict[str, Any] = self.get("/readyz")[1]
        return found

    def metric(self, series: str) -> float:
        """Value of a series."""
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=SECONDS) as answer:
            lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[:1] != "#")
        return float(lines[series])

    def engines(self) -> list[psutil.Process]:
        """Engine processes of the service."""
        return self._children("serving.engine")

    def consumers(self) -> list[psutil.Process]:
        """Consumer processes of the service."""
        return self._children("serving.consumer")

    def _children(self, module: str) -> list[psutil.Process]:
        return [each for each in psutil.Process(self.process.pid).children() if module in _command_of(each)]

    def wait_for_engines(self, number: int) -> None:
        """Wait until as many engines run."""
        self.until(lambda _: len(self.engines()) == number)

    def wait(self, version: int) -> dict[str, Any]:
        """Wait until a version serves."""
        return self.until(lambda state: state.get("version") == version)

    def until(self, holds: Any) -> dict[str, Any]:
        """Wait until the state is as wanted."""
        deadline = time.monotonic() + SECONDS
        while not holds(state := self.state()):
            assert time.monotonic() < deadline, f"still {state}"
            assert self.process.poll() is None, "the service has ended"
            time.sleep(0.05)
        return state


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.ZombieProcess, psutil.NoSuchProcess):  # it has just ended
        return []


def environment(settings: Settings) -> dict[str, str]:
    """Environment of a command on a home."""
    path = os.environ.get("PYTHONPATH", str(ROOT))  # tests have this repository in it, see tests/unflushed
    own = {"GATEHOUSE_HOME": str(settings.home), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    if settings.online_store:
        own["GATEHOUSE_ONLINE_STORE"] = json.dumps(settings.online_store)
    return {**os.environ, **own}


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `gatehouse serve` to its end."""
    line = [*SERVE, *arguments]
    return subprocess.run(line, env=environment(settings), capture_output=True, text=True, timeout=SECONDS)


@contextmanager
def serving(settings: Settings, *arguments: str, **service: float) -> Iterator[Served]:
    """Run `gatehouse serve` on a free port."""
    own = environment(settings) | {"GATEHOUSE_SERVE": json.dumps({"poll_seconds": 0.1, **service})}
    line = [*SERVE, "--port", "0", *arguments]
    process = subprocess.Popen(line, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith(f"{DATASET}: http://"), first + process.stdout.read()
        yield Served(settings, process, first.split()[1].rstrip(";"))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=SECONDS)
        finally:
            process.kill()
