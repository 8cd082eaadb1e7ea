"""A running `gatehouse serve`, and a load of `wrk` on it."""

from __future__ import annotations

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

from serving.settings import Settings

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


def need_wrk() -> None:
    """Exit where `wrk` is not installed."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; wanted Debian's package wrk: apt-get install wrk")


@contextmanager
def service(settings: Settings, dataset: str, *options: str) -> Iterator[str]:
    """Address of a running service, which ends with the block."""
    command = [sys.executable, "-u", "-m", "orchestration.cli", "serve", "--dataset", dataset, "--port", "0", *options]
    environment = {**os.environ, "GATEHOUSE_HOME": str(settings.home)}
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


def wait(address: str, seconds: float = 240) -> None:
    """Wait until the service is ready."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/readyz"):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{address} is not ready after {seconds:g} s")


def load(address: str, users: Sequence[str], *, k: int, where: str | None, connections: int, seconds: int) -> str:
    """Cells of a row: requests a second, percentiles in milliseconds, errors.

    Args:
        address: address of the service.
        users: users, one of whom each request asks for.
        k: number of items.
        where: filter; None for all items.
        connections: connections that stay open.
        seconds: length of the load.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed, script = Path(folder) / "users", Path(folder) / "ask.lua"
        listed.write_text("\n".join(quote(user, safe="") for user in users))
        asked = f"&filter={quote(where)}" if where else ""
        script.write_text(SCRIPT % {"users": listed, "k": k, "filter": asked})
        command = ["wrk", "-t1", f"-c{connections}", "-s", str(script)]
        for each in (2, seconds):  # the first one warms up
            out = subprocess.run([*command, f"-d{each}s", address], capture_output=True, text=True, check=True).stdout
    requests, errors, micros, *percentiles = map(float, re.search(r"RESULT (.*)", out)[1].split())  # type: ignore[index]
    cells = [f"{requests / micros * 1e6:,.0f}", *(f"{each / 1e3:.1f}" for each in percentiles), f"{errors:.0f}"]
    return " | ".join(cells)


def stages(address: str, users: Sequence[str], k: int) -> str:
    """Table of the median milliseconds of each stage, one request at a time."""
    taken: dict[str, list[float]] = defaultdict(list)
    for user in users[:200]:
        with urllib.request.urlopen(f"{address}/v1/recommendations/{quote(user, safe='')}?k={k}") as answer:
            for name, milliseconds in json.load(answer)["timings_ms"].items():
                taken[name].append(milliseconds)
    cells = "\n".join(f"| {name} | {np.median(each):.2f} |" for name, each in taken.items())
    return f"| stage | p50 ms |\n|---|---:|\n{cells}"
