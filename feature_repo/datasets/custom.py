"""Own data: Parquet or CSV files, described by a `gatehouse.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import yaml

from feature_repo.datasets.canonical import Tables, canonicalise
from feature_repo.datasets.columns import Epoch, RawTable
from feature_repo.datasets.files import read_table
from feature_repo.errors import InputError
from feature_repo.schema import RESERVED_COLUMNS, Entity, Feature, Kind, Schema, View
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

YAML_NAME = "gatehouse.yaml"
"""Name of the description in the folder of the data."""

_MAX_YAML_BYTES = 1_000_000
_DEFAULT_LENGTH = {Kind.TEXT: 16, Kind.MULTI_VALUED: 8}
_NUMBER = (int, float)

Keys = Mapping[str, tuple[type, ...]]
"""Keys of a section, with the types of their values."""
_TOP: Keys = {
    "dataset": (str,),
    "seen_items_may_return": (bool,),
    "events": (dict,),
    "users": (dict,),
    "items": (dict,),
    "impressions": (dict,),
}
_FILE: Keys = {"file": (str,), "separator": (str,), "epoch": (str,)}
_EVENT_COLUMNS = {
    "user": "user_id",
    "item": "item_id",
    "timestamp": "timestamp",
    "created": "created",
    "value": "value",
    "basket": "basket_id",
    "rating": "rating",
}
_LOG = ("user", "item", "timestamp")
"""Required columns of events and impressions."""
_IMPRESSION_COLUMNS = {key: _EVENT_COLUMNS[key] for key in (*_LOG, "created")}
_EVENTS: Keys = {**_FILE, **dict.fromkeys(_EVENT_COLUMNS, (str,)), "positive_from": _NUMBER}
_IMPRESSIONS: Keys = {**_FILE, **dict.fromkeys(_IMPRESSION_COLUMNS, (str,))}
_ENTITIES: Keys = {**_FILE, "id": (str,), "features": (dict,)}
FEATURE_KEYS: Keys = {
    "kind": (str,),
    "column": (str,),
    "description": (str,),
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "max_null_share": _NUMBER,
    "length": (int,),
    "dim": (int,),
    "tower": (bool,),
    "filterable": (bool,),
    "display": (bool,),
    "hashed": (int,),
    "min_count": (int,),
    "scale": (str,),
    "cycles": (list,),
    "ngrams": (list,),
    "encoder": (str,),
}


def load(data: Path | None = None, as_of: datetime | None = None) -> Tables:
    """Dataset of the folder's `gatehouse.yaml`.

    Without a section `users` (`items`), the users (items) are those of the events,
    without features. The section `impressions` is optional.

    Raises:
        InputError: a wrong key, or data that cannot be used.
    """
    if data is None:
        raise InputError(f"your own data needs its folder: --data DIR, with a {YAML_NAME} in it")
    config = read_config(data / YAML_NAME)
    impressions = config.get("impressions")
    return canonicalise(
        config_schema(config),
        events=_log_table(data, config["events"], _EVENT_COLUMNS),
        users=_entity_table(data, config, Entity.USER),
        items=_entity_table(data, config, Entity.ITEM),
        impressions=_log_table(data, impressions, _IMPRESSION_COLUMNS) if impressions else None,
        positive_from=config["events"].get("positive_from"),
        as_of=as_of,
    )


def read_config(path: Path) -> dict[str, Any]:
    """Checked content of a YAML: known keys with values of the right type.

    Raises:
        InputError: no such file, not YAML, or a wrong key.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; `gatehouse init {path.parent}` writes one to correct")
    if path.stat().st_size > _MAX_YAML_BYTES:
        raise InputError(f"{path}: {path.stat().st_size:,} bytes; wanted at most {_MAX_YAML_BYTES:,}")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeError) as error:
        raise InputError(f"{path}: not readable as YAML: {error}") from error
    config = _checked(raw, YAML_NAME, _TOP, ("dataset", "seen_items_may_return", "events"))
    _checked(config["events"], f"{YAML_NAME}, events", _EVENTS, ("file", *_LOG))
    if "impressions" in config:
        _checked(config["impressions"], f"{YAML_NAME}, impressions", _IMPRESSIONS, ("file", *_LOG))
    for name in ("users", "items"):
        if name in config:
            _checked(config[name], f"{YAML_NAME}, {name}", _ENTITIES, ("file", "id"))
            check_features(config[name].get("features", {}), f"{YAML_NAME}, {name}")
    return config


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
    options = {key: value for key, value in spec.items() if key != "column"}
    try:
        return Feature.from_dict({"name": name} | length | options)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _log_table(folder: Path, section: Mapping[str, Any], names: Mapping[str, str]) -> RawTable:
    return _raw_table(folder, section, {name: section[key] for key, name in names.items() if key in section})


def _entity_table(folder: Path, config: Mapping[str, Any], entity: Entity) -> RawTable | None:
    section = config.get(f"{entity}s")
    if section is None:
        return None
    features = section.get("features", {})
    columns = {name: spec.get("column", name) for name, spec in features.items()}
    return _raw_table(folder, section, {entity.key: section["id"]} | columns)


def _raw_table(folder: Path, section: Mapping[str, Any], columns: Mapping[str, str]) -> RawTable:
    return RawTable(
        name=section["file"],
        frame=read_table(folder / section["file"]),
        columns=columns,
        separator=section.get("separator", "|"),
        epoch=section.get("epoch"),
    )


def check_features(features: Mapping[str, Any], where: str) -> None:
    """Raise InputError for an unknown kind or option, or a reserved name."""
    for name, spec in features.items():
        inside = f"{where}, feature {name!r}"
        _checked(spec, inside, FEATURE_KEYS, ("kind",))
        if not isinstance(name, str) or name in RESERVED_COLUMNS:
            raise InputError(f"{inside}: the name is reserved; choose another and add `column: {name}`")
        if spec["kind"] == Kind.HISTORY:
            raise InputError(f"{inside}: a history is derived from the events; leave the column out")
        if spec["kind"] not in list(Kind):
            raise InputError(f"{inside}: unknown kind {spec['kind']!r}; there are {', '.join(Kind)}")


def _checked(raw: object, where: str, keys: Keys, required: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise InputError(f"{where}: wanted keys with values, got {type(raw).__name__}")
    for key, value in raw.items():
        if key not in keys:
            raise InputError(f"{where}: unknown key {key!r}; there are {', '.join(keys)}")
        # The exact type, because a bool is an int, but no length.
        if type(value) not in keys[key]:
            wanted = " or ".join(kind.__name__ for kind in keys[key])
            raise InputError(f"{where}: {key} is {value!r}; wanted {wanted}")
    if missing := [key for key in required if key not in raw]:
        raise InputError(f"{where}: missing {', '.join(missing)}")
    if raw.get("epoch") not in (None, *get_args(Epoch)):
        raise InputError(f"{where}: epoch is {raw['epoch']!r}; wanted one of {', '.join(get_args(Epoch))}")
    return raw
