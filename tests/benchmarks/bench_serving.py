"""Latency and rate of `gatehouse serve` on a home, beside the floor of a bare loop.

    gatehouse run
    python -m tests.benchmarks.bench_serving

The service runs as users start it, in processes of its own on loopback; `wrk` (Debian's
package of that name) asks for random users over connections that stay open. The floor is
one thread that reads the features, encodes them, runs the user tower and searches, and
nothing else. Users are those with at least `--history` items in their histories.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np

from feature_repo.encode.request import RequestEncoder
from feature_repo.schema import USER_ID, Entity
from feature_repo.store.sqlite_online import open_store
from serving.corpus import Corpus
from serving.index.base import Fields
from serving.index.lite_files import open_index
from serving.release.load import Release
from serving.settings import Settings

K, SEED, USERS = 20, 0, 500
SCRIPT = """
local users = {}
for line in io.lines("%(users)s") do users[#users + 1] = line end
math.randomseed(0)
request = function()
  return wrk.format("GET", "/v1/recommendations/" .. users[math.random(#users)] .. "?k=%(k)d%(filter)s")
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %%d %%d %%d %%f %%f %%f\\n", summary.requests,
    e.status + e.connect + e.read + e.write + e.timeout, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
"""


def main() -> None:
    """Print Markdown tables: the load, and the stages of an answer."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("GATEHOUSE_HOME", ".gatehouse")))
    parser.add_argument("--dataset", default="completejourney")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=int, default=10, help="length of each load")
    parser.add_argument("--history", type=int, nargs="+", default=[0, 150], help="least history of the users")
    parser.add_argument("--filter", default=None, help="filter of a further load at each number of connections")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; wanted Debian's package wrk: apt-get install wrk")
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(arguments.home)})
    groups = {least: users_of(settings, arguments.dataset, least) for least in arguments.history}
    print("| users with a history of | floor: p50 ms | p99 |\n|---|---:|---:|")
    for least, users in groups.items():
        p50, p99 = floor(settings, arguments.dataset, users)
        print(f"| {least} or more | {p50:.2f} | {p99:.2f} |", flush=True)
    with service(arguments.home, arguments.dataset) as address:
        print("\n| history | filter | connections | requests/s | p50 ms | p95 | p99 | errors |")
        print("|---|---|---:|---:|---:|---:|---:|---:|")
        for least, users in groups.items():
            for where in dict.fromkeys((None, arguments.filter)):
                for connections in arguments.connections:
                    cells = load(address, users, where, connections, arguments.seconds)
                    print(f"| {least} or more | {where or ''} | {connections} | {cells} |", flush=True)
        print("\n" + stages(address, groups[arguments.history[-1]]))


def users_of(settings: Settings, dataset: str, least: int) -> list[str]:
    """Some users with a history of at least so many items."""
    release = Release.load(settings, dataset, quick_start=True)
    store = open_store(release.schema, settings.feast_home, online=settings.online_store)
    known = store.known(Entity.USER)
    name = release.towers.user.encoder.histories[0].name
    lists = store.read_rows(Entity.USER, known).columns[f"{name}_items"]
    found = [user for user, items in zip(known, lists, strict=True) if len(items or ()) >= least]
    return np.random.default_rng(SEED).permutation(found)[:USERS].tolist()


def floor(settings: Settings, dataset: str, users: Sequence[str]) -> tuple[float, float]:
    """Milliseconds of one answer in a bare loop: median and 99th percentile."""
    release = Release.load(settings, dataset, quick_start=True)
    store = open_store(release.schema, settings.feast_home, online=settings.online_store)
    encoder, tower = RequestEncoder(release.towers.user.encoder), release.towers.user.program
    collection, fields = release.manifest.collection, Fields.of(release.schema)
    with open_index(settings, fields, collection) as index:
        searcher = Corpus.of(index, collection, fields).searcher
    taken = []
    for user in [*users[:20], *users]:
        started = time.perf_counter()
        rows = store.read_rows(Entity.USER, [user])
        user_1D = tower(encoder.encode({USER_ID: rows.ids, **rows.columns}, rows.times_B))
        searcher.search(user_1D, K)
        taken.append(time.perf_counter() - started)
    return tuple(1e3 * np.percentile(taken[20:], (50, 99)))  # type: ignore[return-value]


@contextmanager
def service(home: Path, dataset: str) -> Iterator[str]:
    """Address of a running service, which ends with the block."""
    command = [sys.executable, "-u", "-m", "orchestration.cli", "serve", "--dataset", dataset, "--port", "0"]
    environment = {**os.environ, "GATEHOUSE_HOME": str(home)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        found = re.search(r"http://\S+?(?=;)", told)
        if found is None:
            raise SystemExit(f"the service did not start: {told}{process.stdout.read()}")
        wait(found[0])
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)


def wait(address: str, seconds: float = 120) -> None:
    """Wait until the service is ready."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/readyz"):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{address} is not ready after {seconds:g} s")


def load(address: str, users: Sequence[str], where: str | None, connections: int, seconds: int) -> str:
    """Cells of a row: requests a second, percentiles in milliseconds, errors."""
    with tempfile.TemporaryDirectory() as folder:
        listed, script = Path(folder) / "users", Path(folder) / "ask.lua"
        listed.write_text("\n".join(quote(user, safe="") for user in users))
        asked = f"&filter={quote(where)}" if where else ""
        script.write_text(SCRIPT % {"users": listed, "k": K, "filter": asked})
        command = ["wrk", "-t1", f"-c{connections}", "-s", str(script)]
        for each in (2, seconds):  # the first one warms up
            out = subprocess.run([*command, f"-d{each}s", address], capture_output=True, text=True, check=True).stdout
    requests, errors, micros, *percentiles = map(float, re.search(r"RESULT (.*)", out)[1].split())  # type: ignore[index]
    cells = [f"{requests / micros * 1e6:,.0f}", *(f"{each / 1e3:.1f}" for each in percentiles), f"{errors:.0f}"]
    return " | ".join(cells)


def stages(address: str, users: Sequence[str]) -> str:
    """Table of the mean milliseconds of each stage, one request at a time."""
    taken: dict[str, list[float]] = defaultdict(list)
    for user in users[:200]:
        with urllib.request.urlopen(f"{address}/v1/recommendations/{quote(user, safe='')}?k={K}") as answer:
            for name, milliseconds in json.load(answer)["timings_ms"].items():
                taken[name].append(milliseconds)
    cells = "\n".join(f"| {name} | {np.median(each):.2f} |" for name, each in taken.items())
    return f"| stage | p50 ms |\n|---|---:|\n{cells}"


if __name__ == "__main__":
    main()
