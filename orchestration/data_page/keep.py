"""Files of the page on the data, and the profile of the last version's data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feature_repo.whole_file import write_text
from orchestration.asset_files import DATA_JSON, DATA_PAGE
from orchestration.data_page.html import as_html
from orchestration.data_page.page import Page, find
from orchestration.data_page.profile import FORMAT, Profile
from serving.registry.sqlite import PREFIX, open_registry
from serving.settings import Settings

LOOKED_AT = 10
"""Newest versions among which one with the data of its run is looked for."""


def make_page(settings: Settings, profile: Profile, *, accepted: bool) -> Page:
    """Compare a profile with the data of the dataset's newest version.

    Args:
        settings: the home and its services.
        profile: profile of the run's data.
        accepted: whether a person said that the data are right as they are.
    """
    against, former = _last(settings, profile.dataset)
    findings = tuple(find(profile, former))
    return Page(profile=profile, findings=findings, former=former, against=against, accepted=accepted)


def write_page(page: Page, folder: Path) -> Path:
    """Write both files of a page into a folder, each whole; return the path of the HTML."""
    for name, text in ((DATA_JSON, page.to_json()), (DATA_PAGE, as_html(page))):
        write_text(folder / name, text)
    return folder / DATA_PAGE


def read_page(folder: Path) -> Mapping[str, Any]:
    """Read the JSON of a page: findings, against, accepted, profile."""
    raw: dict[str, Any] = json.loads((folder / DATA_JSON).read_text(encoding="utf-8"))
    return raw


def _last(settings: Settings, dataset: str) -> tuple[int | None, Profile | None]:
    """Newest version that keeps the data of its run, and their profile."""
    uri = settings.mlflow_uri
    if uri.startswith(PREFIX) and not Path(uri.removeprefix(PREFIX)).is_file():
        return None, None  # a plan writes nothing, and opening MLflow would
    registry = open_registry(settings, dataset)
    for each in registry.versions()[:LOOKED_AT]:
        try:
            raw = json.loads(registry.read_text(each.version, DATA_JSON))
        except FileNotFoundError:
            continue  # of a Gatehouse before these pages, or deleted in MLflow
        if raw["profile"]["format"] == FORMAT:
            return each.version, Profile.from_json(raw["profile"])
    return None, None
