"""Every operation of the OpenAPI schema against a real service, by requests of Schemathesis."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.fresh_world import fresh_release, fresh_tables
from tests.integration.serving_world import ROOT, Served, serving

pytest.importorskip("schemathesis", reason="pip install --requirement requirements-dev.lock")
pytestmark = pytest.mark.timeout(900)
# A filter that is any text by its schema may still be none by its grammar, and is refused.
UNUSED = ("--exclude-checks", "positive_data_acceptance")
# What refuses a request that the schema forbids; a body above the limit is refused by its size, before it is read.
REFUSALS = ("400", "404", "405", "413", "422")
SETTINGS = f"""
[checks.negative_data_rejection]
expected-statuses = {[*REFUSALS]}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(fresh_release(tmp_path_factory.mktemp("fuzz"), fresh_tables())) as served:
        served.wait(1)
        yield served


def fuzz(served: Served, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Ask whatever the schema allows and forbids; exit status 0 if every answer is a described one."""
    settings = folder / "schemathesis.toml"
    settings.write_text(SETTINGS)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"]
    command += [f"{served.address}/openapi.json", "--no-color"]
    command += ["--checks", "all", "--generation-deterministic", *options]
    hooks = {
        "SCHEMATHESIS_HOOKS": "tests.integration.fuzz_hooks",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    return subprocess.run(command, env={**os.environ, **hooks}, cwd=folder, capture_output=True, text=True)


def check(served: Served, done: subprocess.CompletedProcess[str]) -> None:
    """No request failed, and what stands behind the front lives."""
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert served.metric("gatehouse_engine_deaths_total") == 0
    assert served.metric("gatehouse_consumer_deaths_total") == 0
    assert served.metric('gatehouse_events_total{outcome="accepted"}') > 0
    assert served.metric('gatehouse_answers_total{source="two_tower"}') > 0
    served.until(lambda state: not state["problems"])


def test_every_answer_is_a_described_one(served: Served, tmp_path: Path) -> None:
    phases = ("--phases", "examples,coverage,fuzzing")
    check(served, fuzz(served, tmp_path, *UNUSED, *phases, "--max-examples", "10"))


def test_new_items_are_accepted_if_the_schema_allows_them(served: Served, tmp_path: Path) -> None:
    phases = ("--phases", "coverage,fuzzing", "--generation-allow-x00", "false")
    done = fuzz(served, tmp_path, "--include-path", "/v1/items", *phases, "--max-examples", "50")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr


@pytest.mark.slow
def test_every_answer_is_a_described_one_for_many_requests(served: Served, tmp_path: Path) -> None:
    check(served, fuzz(served, tmp_path, *UNUSED, "--max-examples", "150"))
