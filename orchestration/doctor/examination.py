"""Examination of a home: all findings, without a change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from orchestration.doctor.champion import champion_findings
from orchestration.doctor.events import event_findings
from orchestration.doctor.finding import Finding
from orchestration.doctor.home import home_findings
from orchestration.doctor.versions import version_findings
from orchestration.local.datasets import dataset_names
from orchestration.local.leftovers import is_at_work
from serving.index.milvus_connection import IndexAwayError
from serving.index.stored_names import StoredNames, stored_names
from serving.probe import listens
from serving.registry.sqlite import PREFIX, is_made, open_registry
from serving.release.manifest import alias_name
from serving.settings import Settings


def examine(settings: Settings, now: datetime | None = None) -> list[Finding]:
    """Find what is half-done or wrong in a home.

    Args:
        settings: the home and its services.
        now: present time (UTC, with zone); by default that of this machine.
    """
    return list(_findings(settings, now or datetime.now(UTC)))


def _findings(settings: Settings, now: datetime) -> Iterator[Finding]:
    yield from home_findings(settings, now)
    if not _has_registry(settings):
        return
    names = dataset_names(settings)
    stored: StoredNames | None = None
    try:
        stored = stored_names(settings, [alias_name(name) for name in names])
    except IndexAwayError as error:
        yield Finding(about="index", problem=str(error), way_out="champions serve by their files meanwhile")
    for name in names:
        registry = open_registry(settings, name)
        yield from champion_findings(settings, registry, stored, now)
        yield from event_findings(settings, name, now)
        work = is_at_work(settings, name)
        yield from version_findings(registry, registry.listing(), stored, now, is_at_work=work)


def _has_registry(settings: Settings) -> bool:
    """Whether the registry can be asked; one that is away is a finding already."""
    uri = settings.mlflow_uri
    return is_made(settings) if uri.startswith(PREFIX) else listens(uri)
