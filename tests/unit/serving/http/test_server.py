"""The application of `gatehouse serve`, put together from a home."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from feature_repo.events.base import write_base
from feature_repo.events.base_note import note_path
from serving.experiments.read import YAML_NAME
from serving.http.access import Access
from serving.http.experiments.definitions import Definitions
from serving.http.server import _application
from serving.service_settings import ServiceSettings
from serving.settings import Settings
from tests.unit.feature_repo.events.events_world import NOW
from tests.unit.serving.http.service_world import call

DAY = 86_400


def load_age(settings: Settings) -> float:
    """Age of the last load, as a service of the home exports it before any answer."""

    async def asked() -> bytes:
        definitions = Definitions(settings.home / YAML_NAME, "shop")
        app = _application(settings, "shop", definitions, ServiceSettings(), Access(None), None, False, lambda _: None)
        return (await call(app, "/metrics")).body

    lines = asyncio.run(asked()).decode().splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith("gatehouse_feature_load_age_seconds "))
    return float(value)


def test_features_are_as_old_as_their_last_load_whatever_the_age_of_their_data(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, mlflow_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert not load_age(settings) > 0  # so that no alert asks for what was never there
    data = {"key": "a", "folder": tmp_path, "as_of": NOW}
    write_base(settings.feast_home, "shop", **data)
    assert load_age(settings) < 60
    note = note_path(settings.feast_home, "shop")
    os.utime(note, (time.time() - 3 * DAY,) * 2)
    assert 3 * DAY <= load_age(settings) < 3 * DAY + 60
    write_base(settings.feast_home, "shop", **data)  # as a run does that finds nothing newer
    assert load_age(settings) < 60
