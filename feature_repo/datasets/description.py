"""Description of own data, `gatehouse.yaml`: its keys, and their check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml

from feature_repo.datasets.delimited import TextForm
from feature_repo.datasets.impressions import KEYS, MAX_CONTEXTS, OPTIONAL, PLACES, RANDOMISED, REQUEST
from feature_repo.datasets.number_text import Mark
from feature_repo.datasets.raw_table import Epoch
from feature_repo.datasets.time_text import Dates
from feature_repo.errors import InputError
from feature_repo.event_kinds import read_kinds
from feature_repo.read_yaml import read_yaml
from feature_repo.schema import RESERVED_COLUMNS, Kind

YAML_NAME = "gatehouse.yaml"
"""Name of the description in the folder of the data."""

_MAX_YAML_BYTES = 1_000_000
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
    "missing": (list,),
    "snapshots": (str,),
    "holdout": (str, int),
    "validation": (str, int),
    "kinds": (dict,),
}
_FILE: Keys = {
    "file": (str, list),
    "separator": (str,),
    "epoch": (str,),
    "delimiter": (str,),
    "encoding": (str,),
    "columns": (list,),
    "dates": (str,),
    "decimal": (str,),
    "whole_ids": (bool,),
}
_ROWS: Keys = {"drop_where": (dict,), "drop_without_id": (bool,)}
"""Keys of logs that leave rows out."""
_CHOICES = {"epoch": get_args(Epoch), "dates": get_args(Dates), "decimal": get_args(Mark)}
"""Values that a key may have."""
_TEXTS = ("missing", "columns", "file")
"""Lists of texts."""
MISSING_WORDS = (
    *("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "Null", "null", "(null)", "None"),
    *("\\N", "-", "--", "?"),
)
"""Words for a missing value, unless `missing` names others."""
EVENT_COLUMNS: Mapping[str, str] = {
    "user": "user_id",
    "item": "item_id",
    "timestamp": "timestamp",
    "created": "created",
    "value": "value",
    "basket": "basket_id",
    "rating": "rating",
    "event": "event_id",
}
"""Canonical column by key of the section `events`."""
_LOG = ("user", "item", "timestamp")
"""Required columns of events and impressions."""
IMPRESSION_COLUMNS = {key: EVENT_COLUMNS[key] for key in (*_LOG, "created")} | {
    "request": REQUEST,
    **{name: name for name in (*PLACES, "click", "reward", "propensity", RANDOMISED)},
}
"""Canonical column by key of the section `impressions`."""
_EVENTS: Keys = {**_FILE, **_ROWS, **dict.fromkeys(EVENT_COLUMNS, (str,)), "positive_from": _NUMBER}
_IMPRESSIONS: Keys = {**_FILE, **_ROWS, **dict.fromkeys(IMPRESSION_COLUMNS, (str,)), "context": (dict,)}
_ENTITIES: Keys = {**_FILE, "id": (str,), "features": (dict,)}
FEATURE_KEYS: Keys = {
    "kind": (str,),
    "column": (str,),
    "separator": (str,),
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


def read_config(path: Path) -> dict[str, Any]:
    """Checked content of a YAML: known keys with values of the right type.

    Raises:
        InputError: no such file, not YAML, a wrong key, or one that stands twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; `gatehouse init {path.parent}` writes one to correct")
    if path.stat().st_size > _MAX_YAML_BYTES:
        raise InputError(f"{path}: {path.stat().st_size:,} bytes; wanted at most {_MAX_YAML_BYTES:,}")
    try:
        raw = read_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: not readable as YAML: {error}") from error
    return check_config(raw)


def check_config(raw: object) -> dict[str, Any]:
    """Content of a YAML, if its keys are known and their values of the right type.

    Raises:
        InputError: a wrong key or value.
    """
    config = _checked(raw, YAML_NAME, _TOP, ("dataset", "seen_items_may_return", "events"))
    _checked(config["events"], f"{YAML_NAME}, events", _EVENTS, ("file", *_LOG))
    if "impressions" in config:
        where = f"{YAML_NAME}, impressions"
        _checked(config["impressions"], where, _IMPRESSIONS, ("file", *_LOG))
        check_context(config["impressions"].get("context", {}), f"{where}, context")
    if "kinds" in config:
        read_kinds(config["kinds"], f"{YAML_NAME}, kinds")
    for name in ("users", "items"):
        if name in config:
            _checked(config[name], f"{YAML_NAME}, {name}", _ENTITIES, ("file", "id"))
            check_features(config[name].get("features", {}), f"{YAML_NAME}, {name}")
    return config


def check_context(context: Mapping[str, Any], where: str) -> None:
    """Raise InputError for a name of the surroundings that cannot be used, or too many."""
    if len(context) > MAX_CONTEXTS:
        raise InputError(f"{where}: {len(context)} columns; wanted at most {MAX_CONTEXTS}: leave some out")
    for name, column in context.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise InputError(f"{where}: {name!r} is no name; wanted letters, digits and underscores: `device: COLUMN`")
        if name in (*KEYS, *OPTIONAL, *EVENT_COLUMNS.values()):
            raise InputError(f"{where}: the name {name!r} is reserved; choose another, such as `page_{name}: {column}`")
        if not isinstance(column, str):
            raise InputError(f"{where}: {name} is {column!r}; wanted the name of a column")


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
    for key, choices in _CHOICES.items():
        if raw.get(key) not in (None, *choices):
            raise InputError(f"{where}: {key} is {raw[key]!r}; wanted one of {', '.join(choices)}")
    for key in _TEXTS:
        listed = raw.get(key)
        if isinstance(listed, list) and not all(isinstance(each, str) for each in listed):
            raise InputError(f'{where}: {key} is {listed!r}; wanted a list of texts, in quotes such as "null"')
        if listed == [] and key != "missing":
            raise InputError(f"{where}: {key} is an empty list")
    return raw


def text_form(section: Mapping[str, Any]) -> TextForm:
    """Form of the text files of a section."""
    columns = section.get("columns")
    return TextForm(
        delimiter=section.get("delimiter"),
        encoding=section.get("encoding"),
        columns=tuple(columns) if columns else None,
    )
