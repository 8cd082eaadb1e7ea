"""Values of the GATEHOUSE_* variables, each checked as it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.clients import check_client, check_dagster_storage

KEEP, NO_CLEANING = 10, "off"
"""Default number of newest versions that a cleaning keeps, and the value for no cleaning by itself."""
MEMORY, MILVUS = "memory", "milvus"
DAGSTER_STORAGE = "GATEHOUSE_DAGSTER_STORAGE"
"""Variable that the home's dagster.yaml reads too."""


def address(environ: Mapping[str, str], name: str) -> str | None:
    """Address of a service that the installed client can talk to; None without the variable."""
    uri = environ.get(name)
    return check_client(name, uri) if uri else None


def bucket(environ: Mapping[str, str], name: str) -> str | None:
    """Address of a bucket or a folder in it; None without the variable."""
    uri = address(environ, name)
    if uri and not re.fullmatch(r"s3://[^/]+(/.*)?", uri):
        raise ValueError(f"{name}={uri!r}: wanted s3://bucket or s3://bucket/folder")
    return uri


def dagster_storage(uri: str | None) -> str | None:
    """Address of Dagster's database; None without one."""
    return check_dagster_storage(DAGSTER_STORAGE, uri) if uri else None


def file(environ: Mapping[str, str], name: str) -> Path | None:
    """Path of a file that exists; None without the variable."""
    path = environ.get(name)
    if path and not Path(path).is_file():
        raise ValueError(f"{name}={path!r}: no such file")
    return Path(path) if path else None


def days(text: str) -> float:
    """Number of days."""
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise ValueError(f"GATEHOUSE_FEATURES_BEHIND_DAYS={text!r}: wanted a number of days, such as 7 or 0.5")
    return float(text)


def keep(text: str) -> int | None:
    """Number of versions; None for no cleaning by itself."""
    if text == NO_CLEANING:
        return None
    if not re.fullmatch(r"[1-9]\d*", text):
        raise ValueError(f"GATEHOUSE_KEEP={text!r}: wanted a number of versions, such as {KEEP}, or {NO_CLEANING}")
    return int(text)


def switch(environ: Mapping[str, str], name: str) -> bool:
    """Whether a variable is on; without it, it is off."""
    found = environ.get(name) or "off"
    if found not in ("on", "off"):
        raise ValueError(f"{name}={found!r}: wanted on or off")
    return found == "on"


def search(text: str) -> str:
    """Way of searching: memory or milvus."""
    if text not in (MEMORY, MILVUS):
        raise ValueError(f"GATEHOUSE_SEARCH={text!r}: wanted {MEMORY} or {MILVUS}")
    return text


def event_log(text: str | None) -> Mapping[str, Any] | None:
    """Configuration of Kafka; None for SQLite in the home."""
    found = configured("GATEHOUSE_EVENT_LOG", text, "an event log")
    if found is not None and (found["type"] != "kafka" or "bootstrap.servers" not in found):
        raise ValueError(
            f"GATEHOUSE_EVENT_LOG: the type is {found['type']!r}; wanted kafka with bootstrap.servers, or nothing for "
            "SQLite in the home"
        )
    return found


def configured(name: str, text: str | None, what: str) -> Mapping[str, Any] | None:
    """Read a variable that holds JSON, or the path of a YAML file.

    Args:
        name: the variable.
        text: its content.
        what: what it configures, for messages.
    """
    import yaml

    if not text:
        return None
    source = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
    config = yaml.safe_load(source)  # JSON is YAML
    if not isinstance(config, dict) or "type" not in config:
        raise ValueError(
            f"{name}={text!r}: wanted {what} with a type, as JSON or as the path of a YAML file; got {config!r}"
        )
    return config
