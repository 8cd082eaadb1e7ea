"""Findings on a home as a whole: its files, its disk, its services, its gate policy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

import psutil

from feature_repo.store.online_server import servers
from orchestration.dagster_runs import silent_runs
from orchestration.doctor.finding import Finding
from orchestration.local.leftovers import leftovers
from serving.gate.policy_file import read_policy
from serving.probe import listens
from serving.running import entries
from serving.settings import Settings
from serving.variables import DAGSTER_STORAGE

S3 = "AWS_ENDPOINT_URL"
"""Variable of an S3 server other than Amazon's."""
LOW_BYTES = 1_000_000_000
"""Free space below which a run may not end: a release of the default dataset takes a fifth of it."""


def home_findings(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Examine the parts of a home that belong to no dataset, at the present time (UTC, with zone)."""
    yield from _files(settings)
    yield from _disk(settings)
    yield from _services(settings)
    if not settings.dagster_storage or listens(settings.dagster_storage):
        yield from _runs(settings, now)
    try:
        read_policy(settings.gate_policy)
    except (ValueError, OSError) as error:
        yield Finding(about="gate", problem=str(error), way_out="mend the file, or unset GATEHOUSE_POLICY")


def _files(settings: Settings) -> Iterator[Finding]:
    for path in leftovers(settings):
        yield Finding(
            about="files",
            problem=f"{path} was left behind by a process that was killed",
            way_out="the same command builds it again; `gatehouse clean` removes it when it is an hour old",
        )
    for name, entry in entries(settings.home).items():
        if not psutil.pid_exists(entry["pid"]):
            yield Finding(
                about="services",
                problem=f"{name} is noted in services.json as process {entry['pid']}, which has ended",
                way_out="`gatehouse up` removes the note and starts it",
            )


def _runs(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Runs of Dagster that were killed, and for whose end sensors and updates wait."""
    for run in silent_runs(settings, now):
        yield Finding(
            about="Dagster",
            problem=f"the run {run} says that it is at work, and has said nothing for long: it was killed",
            way_out="`gatehouse clean` ends it; until then sensors and updates of its dataset wait",
        )


def _disk(settings: Settings) -> Iterator[Finding]:
    if not os.access(settings.home, os.W_OK):
        yield Finding(
            about="disk", problem=f"{settings.home} cannot be written to", way_out="give this user the right to write"
        )
    free = shutil.disk_usage(settings.home).free
    if free < LOW_BYTES:
        yield Finding(
            about="disk",
            problem=f"{free / 1e6:,.0f} MB are free for {settings.home}",
            way_out="`gatehouse clean --dry-run` names what no kept version needs",
        )


def _services(settings: Settings) -> Iterator[Finding]:
    """Servers that the settings name and that do not answer."""
    for variable, uris in addresses(settings).items():
        if uris and not any(map(listens, uris)):
            places = ", ".join(f"{urlsplit(each).hostname}:{urlsplit(each).port or ''}" for each in uris)
            yield Finding(
                about="services",
                problem=f"{places} ({variable}) does not answer",
                way_out="start it, or mend the variable",
            )


def addresses(settings: Settings) -> dict[str, list[str]]:
    """Addresses of servers, by the variable that names them; one of each list has to answer."""
    single = {
        "GATEHOUSE_MLFLOW_URI": settings.mlflow_uri,
        "GATEHOUSE_MILVUS_URI": settings.milvus_server,
        "GATEHOUSE_FEATURE_REGISTRY": settings.feature_registry,
        DAGSTER_STORAGE: settings.dagster_storage,
    }
    named = {variable: [uri] for variable, uri in single.items() if uri and urlsplit(uri).hostname}
    named |= {"GATEHOUSE_ONLINE_STORE": servers(settings.online_store)} if settings.online_store else {}
    brokers = str((settings.kafka or {}).get("bootstrap.servers", ""))
    named |= {"GATEHOUSE_EVENT_LOG": [f"tcp://{each.strip()}" for each in brokers.split(",")]} if brokers else {}
    if (settings.artifacts or settings.data) and os.environ.get(S3):
        named[S3] = [os.environ[S3]]
    return named
