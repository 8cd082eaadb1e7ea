"""Own data: files of tables, described by a `gatehouse.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from feature_repo.datasets.canonical import Tables, canonicalise
from feature_repo.datasets.description import (
    EVENT_COLUMNS,
    IMPRESSION_COLUMNS,
    MISSING_WORDS,
    YAML_NAME,
    read_config,
    text_form,
)
from feature_repo.datasets.dropped_rows import drop_rows
from feature_repo.datasets.parts import find_parts, left_alone, read_parts, unread_files
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.event_kinds import DEFAULT_KINDS, read_kinds
from feature_repo.granularity import DAY
from feature_repo.holdout import DEFAULT as TWO_WEEKS
from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

_SECTIONS = ("events", "users", "items", "impressions")
_DEFAULT_LENGTH = {Kind.TEXT: 16, Kind.MULTI_VALUED: 8}


def load(data: Path | None = None, as_of: datetime | None = None) -> Tables:
    """Dataset of the folder's `gatehouse.yaml`.

    Without a section `users` (`items`), the users (items) are those of the events,
    without features. The section `impressions` is optional.

    Raises:
        InputError: a wrong key, or data that cannot be used.
    """
    if data is None:
        raise InputError(f"your own data needs its folder: --data DIR, with a {YAML_NAME} in it")
    return load_config(data, read_config(data / YAML_NAME), as_of)


def load_config(folder: Path, config: Mapping[str, Any], as_of: datetime | None = None) -> Tables:
    """Dataset of a checked configuration.

    Args:
        folder: folder of the files.
        config: content of the YAML, as `read_config` returns it.
        as_of: time after which an event is an error.

    Raises:
        InputError: data that cannot be used.
    """
    events, notes = _log_table(folder, config, "events", EVENT_COLUMNS)
    impressions, more = _log_table(folder, config, "impressions", IMPRESSION_COLUMNS)
    assert events is not None
    specs = [config[name]["file"] for name in _SECTIONS if name in config]
    unread = unread_files(folder, specs)
    aside = [f"there, and not read: {', '.join(unread)}"] if unread else []
    tables = canonicalise(
        config_schema(config),
        events=events,
        users=_entity_table(folder, config, Entity.USER),
        items=_entity_table(folder, config, Entity.ITEM),
        impressions=impressions,
        positive_from=config["events"].get("positive_from"),
        as_of=as_of,
        notes=(*aside, *notes, *more),
    )
    others = {name: why for name, why in left_alone(folder, specs).items() if name != YAML_NAME}
    return replace(tables, unread=others)


def config_schema(config: Mapping[str, Any], where: str = YAML_NAME) -> Schema:
    """Schema of a checked configuration: profiles, and the views of its events.

    Args:
        config: content of the YAML.
        where: name in errors.
    """
    events = config["events"]
    views = (
        _profile(config, Entity.USER, where),
        user_activity_view(value="value" in events, basket="basket" in events),
        user_history_view(),
        _profile(config, Entity.ITEM, where),
        item_statistics_view(value="value" in events),
    )
    try:
        return Schema(
            dataset=config["dataset"],
            seen_items_may_return=config["seen_items_may_return"],
            snapshots=config.get("snapshots", DAY),
            holdout=config.get("holdout", TWO_WEEKS),
            validation=config.get("validation", TWO_WEEKS),
            kinds=read_kinds(config["kinds"], f"{where}, kinds") if "kinds" in config else DEFAULT_KINDS,
            views=tuple(view for view in views if view.features),
        )
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _profile(config: Mapping[str, Any], entity: Entity, source: str) -> View:
    declared = config.get(f"{entity}s", {}).get("features", {})
    where = f"{source}, {entity}s"
    features = tuple(_feature(name, spec, where) for name, spec in declared.items())
    try:
        return View(name=f"{entity}_profile", entity=entity, features=features)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _feature(name: str, spec: Mapping[str, Any], where: str) -> Feature:
    kind = Kind(spec["kind"])
    length = {"length": _DEFAULT_LENGTH[kind]} if kind in _DEFAULT_LENGTH else {}
    options = {key: value for key, value in spec.items() if key not in ("column", "separator")}
    try:
        return Feature.from_dict({"name": name} | length | options)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _log_table(
    folder: Path, config: Mapping[str, Any], name: str, names: Mapping[str, str]
) -> tuple[RawTable | None, list[str]]:
    """Events or impressions, and notes on the rows that the YAML leaves out.

    Args:
        folder: folder of the files.
        config: content of the YAML.
        name: section, which may be absent.
        names: canonical name of each key that names a column.
    """
    section = config.get(name)
    if section is None:
        return None, []
    columns = {canonical: section[key] for key, canonical in names.items() if key in section}
    columns |= section.get("context", {})
    table = _raw_table(folder, config, section, columns)
    patterns = {str(column): str(pattern) for column, pattern in section.get("drop_where", {}).items()}
    return drop_rows(table, patterns, without_id=section.get("drop_without_id", False))


def _entity_table(folder: Path, config: Mapping[str, Any], entity: Entity) -> RawTable | None:
    section = config.get(f"{entity}s")
    if section is None:
        return None
    features = section.get("features", {})
    columns = {name: spec.get("column", name) for name, spec in features.items()}
    separators = {name: spec["separator"] for name, spec in features.items() if "separator" in spec}
    return _raw_table(folder, config, section, {entity.key: section["id"]} | columns, separators)


def _raw_table(
    folder: Path,
    config: Mapping[str, Any],
    section: Mapping[str, Any],
    columns: Mapping[str, str],
    separators: Mapping[str, str] | None = None,
) -> RawTable:
    file = section["file"]
    return RawTable(
        name=file if isinstance(file, str) else ", ".join(file),
        frame=read_parts(folder, file, form=text_form(section)),
        columns=columns,
        separator=section.get("separator"),
        separators=separators or {},
        epoch=section.get("epoch"),
        missing=frozenset(config.get("missing", MISSING_WORDS)),
        dates=section.get("dates"),
        decimal=section.get("decimal"),
        whole_ids=section.get("whole_ids"),
        files=tuple(path.relative_to(folder).as_posix() for path in find_parts(folder, file)),
    )
