"""Home of the benchmark: runs, the service, and events that are posted to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import yaml

from serving.gate.policy_file import SHIPPED
from serving.service_settings import ServiceSettings
from serving.settings import Settings
from tests.benchmarks.bias.promotions.market import DATASET, Market

GATEHOUSE = (sys.executable, "-m", "orchestration.cli")
BATCH = ServiceSettings().max_events
"""Events of a request, the most that the service takes."""


@dataclass(frozen=True, kw_only=True)
class Home:
    """Home folder and the data of its dataset."""

    folder: Path
    data: Path
    now: str
    """Present time of the runs: the end of the purchases, which is ahead of the clock."""

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a command on this home.

        The gate is the default one without `not_beaten`: households buy few of so few
        products, and what they bought last is hard to beat.
        """
        policy = self.folder.with_name("gate.yaml")
        if not policy.exists():
            policy.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()) | {"not_beaten": []}))
        own = {"GATEHOUSE_HOME": str(self.folder), "GATEHOUSE_POLICY": str(policy), "PYTHONUNBUFFERED": "1"}
        return os.environ | own

    @property
    def settings(self) -> Settings:
        return Settings.from_environment(self.environment)

    def run(self, recipe: str, *, seed: int) -> dict[str, Any]:
        """Summary of `gatehouse run`, with its CPU seconds.

        Args:
            recipe: name of the recipe.
            seed: random seed.

        Raises:
            RuntimeError: the run ended with an error.
        """
        options = ["--data", str(self.data), "--recipe", recipe, "--seed", str(seed), "--now", self.now]
        options += ["--choice-seconds", "0", "--json"]
        before = _children_seconds()
        ended = subprocess.run([*GATEHOUSE, "run", *options], env=self.environment, capture_output=True, text=True)
        if ended.returncode not in (0, 3):
            raise RuntimeError(f"gatehouse run --recipe {recipe} ended with {ended.returncode}: {ended.stderr[-4000:]}")
        summary: dict[str, Any] = json.loads(ended.stdout)
        return summary | {"seconds": _children_seconds() - before}

    @contextmanager
    def serving(self) -> Iterator[Service]:
        """Run `gatehouse serve` on a free port of the loopback interface.

        Without a consumer: the purchases that follow the answers are in the data already.
        """
        line = [*GATEHOUSE, "serve", "--dataset", DATASET, "--port", "0", "--no-consumer"]
        process = subprocess.Popen(line, env=self.environment, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            if "http://" not in first:
                raise RuntimeError(f"gatehouse serve does not start: {first}{process.stdout.read()}")
            yield Service(process, first.split("http://")[1].split(";")[0].strip())
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


@dataclass(frozen=True)
class Service:
    """Running service."""

    process: subprocess.Popen[str]
    address: str

    def post(self, events: pl.DataFrame) -> Posted:
        """Post events, as many a request as the service takes.

        Raises:
            RuntimeError: the service refuses some, or does not count them all.
        """
        connection, accepted, began = HTTPConnection(self.address, timeout=60), 0, time.process_time()
        server = psutil.Process(self.process.pid)
        before, started = server.cpu_times(), time.monotonic()
        for batch in events.iter_slices(BATCH):
            connection.request("POST", "/v1/events", batch.write_json(), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            told = json.loads(reply.read())
            if reply.status != 200:
                raise RuntimeError(f"POST /v1/events: {reply.status} {told}")
            accepted += told["accepted"]
        if accepted != events.height:
            raise RuntimeError(f"the service took {accepted:,} of {events.height:,} events; wanted all")
        after = server.cpu_times()
        return Posted(
            events=accepted,
            server_seconds=after.user + after.system - before.user - before.system,
            client_seconds=time.process_time() - began,
            seconds=time.monotonic() - started,
        )


@dataclass(frozen=True, kw_only=True)
class Posted:
    """Cost of posted events."""

    events: int
    server_seconds: float
    """CPU of the service's front, which writes the log."""
    client_seconds: float
    seconds: float
    """By the clock, which other processes of the machine slow down."""


def events_of(market: Market, shown: pl.DataFrame, name: str) -> pl.DataFrame:
    """Events of answers, in the order of time: each impression, and behind it its click.

    Args:
        market: ids of households and products.
        shown: answers, as of `draw_answers`.
        name: beginning of the events' ids.
    """
    ids = pl.Series(market.users), market.products["item_id"]
    rows = shown.select(
        "click",
        "position",
        "propensity",
        "randomised",
        request_id=pl.format("{}-{}", pl.lit(name), "answer"),
        user_id=ids[0].gather(shown["user"]),
        item_id=ids[1].gather(shown["item"]),
        time=pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        kind=pl.lit("impression"),
    )
    clicks = rows.filter("click").with_columns(kind=pl.lit("click"))
    events = pl.concat([rows, clicks]).drop("click").sort("time", "request_id", "position", maintain_order=True)
    return events.with_columns(event_id=pl.format("{}-{}-{}", "kind", "request_id", "position"))


def _children_seconds() -> float:
    """CPU seconds of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system
