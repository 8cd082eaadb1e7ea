"""Reader of `experiments.yaml`: known keys, values of the right type, no overlap."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from feature_repo.errors import InputError, unknown_name
from feature_repo.event_kinds import check_name
from feature_repo.read_yaml import read_yaml
from feature_repo.utc import utc_time
from serving.experiments.definition import CHAMPION, CLICK, CONTROL, PURCHASE, Design, Experiment, Variant
from serving.experiments.exploration import DEPTH, Exploration, Kind

YAML_NAME = "experiments.yaml"
"""Name of the file in the home."""
_REQUIRED = ("start", "end", "variants")
_KEYS = (*_REQUIRED, "salt", "shadows", "design", "window_days", "users", "clicks", "purchases", "dataset")
_VARIANT_KEYS = ("serves", "weight")
EXPLORATION = "exploration"
"""Key of the exploration, beside the names of experiments."""
MAX_DEPTH = 100
"""Most positions that are randomised."""
_EXPLORATION_REQUIRED = ("share", "kind")
_EXPLORATION_KEYS = (*_EXPLORATION_REQUIRED, "depth", "salt", "dataset")


def read_experiments(path: Path) -> dict[str, Experiment]:
    """Read all experiments of a file, by name.

    Raises:
        InputError: no such file, not YAML, a wrong key or value, or two experiments
            at one time.
    """
    found = {
        str(name): _experiment(str(name), body, f"{path}, {name}")
        for name, body in _sections(path).items()
        if name != EXPLORATION
    }
    _refuse_overlap(found, path)
    return found


def experiments_of(path: Path, dataset: str) -> list[Experiment]:
    """Read the experiments of a dataset; none where there is no file.

    InputError if the file cannot be used.
    """
    return [each for each in read_experiments(path).values() if each.is_of(dataset)] if path.exists() else []


def exploration_of(path: Path, dataset: str) -> Exploration | None:
    """Read the exploration of a dataset; None without one, or where there is no file.

    InputError if the file cannot be used.
    """
    sections = _sections(path) if path.exists() else {}
    if EXPLORATION not in sections:
        return None
    if isinstance(sections[EXPLORATION], dict) and "variants" in sections[EXPLORATION]:
        raise InputError(
            f"{path}, {EXPLORATION}: has variants, and this name is kept for a randomised share: give the experiment "
            "another name; with `salt: exploration` its users keep their variants"
        )
    found = _exploration(sections[EXPLORATION], f"{path}, {EXPLORATION}")
    return found if found.is_of(dataset) else None


def read_experiment(path: Path, name: str) -> Experiment:
    """Read one experiment of a file.

    Raises:
        InputError: the file cannot be used, or has no experiment of that name.
    """
    found = read_experiments(path)
    if name not in found:
        raise InputError(f"{path}: {unknown_name('experiment', name, found)}")
    return found[name]


def _sections(path: Path) -> dict[Any, Any]:
    """Contents of a file, by its first keys."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; docs/guide/experiments.md shows one")
    try:
        # An empty file, or one of comments, has no experiments.
        raw = read_yaml(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: not readable as YAML: {error}") from error
    return _mapping(raw, str(path))


def _exploration(raw: Any, where: str) -> Exploration:
    body = _mapping(raw, where, known=_EXPLORATION_KEYS, required=_EXPLORATION_REQUIRED)
    share, depth, kind = _number(body["share"], f"{where}: share"), body.get("depth", DEPTH), body["kind"]
    if share > 1:
        raise InputError(f"{where}: share is {share:g}; wanted at most 1, such as 0.02")
    if kind not in list(Kind):
        raise InputError(f"{where}: {unknown_name('kind', str(kind), [each.value for each in Kind])}")
    if type(depth) is not int or not 2 <= depth <= MAX_DEPTH:
        raise InputError(f"{where}: depth is {depth!r}; wanted 2 to {MAX_DEPTH} positions")
    return Exploration(
        share=share,
        kind=Kind(kind),
        depth=depth,
        salt=_text(body.get("salt", EXPLORATION), f"{where}: salt"),
        dataset=_text(body["dataset"], f"{where}: dataset") if "dataset" in body else None,
    )


def _experiment(name: str, raw: Any, where: str) -> Experiment:
    body = _mapping(raw, where, known=_KEYS, required=_REQUIRED)
    experiment = Experiment(
        name=name,
        salt=_text(body.get("salt", name), f"{where}: salt"),
        start=_time(body["start"], f"{where}: start"),
        end=_time(body["end"], f"{where}: end"),
        variants=tuple(_variants(body["variants"], where)),
        shadows=tuple(_shadows(body.get("shadows", {}), where)),
        design=_design(body.get("design", Design.SPLIT), where),
        window=timedelta(days=_number(body.get("window_days", 7), f"{where}: window_days")),
        users=_users(body.get("users", 10_000), where),
        clicks=_kinds(body.get("clicks", CLICK), f"{where}: clicks"),
        purchases=_kinds(body.get("purchases", PURCHASE), f"{where}: purchases"),
        dataset=_text(body["dataset"], f"{where}: dataset") if "dataset" in body else None,
    )
    if experiment.end - experiment.start < experiment.window:
        raise InputError(
            f"{where}: {experiment.start} to {experiment.end} is shorter than the window of {experiment.window}; "
            "wanted a later end"
        )
    _refuse_variants(experiment, where)
    return experiment


def _variants(raw: Any, where: str) -> Iterator[Variant]:
    for name, value in _mapping(raw, f"{where}: variants").items():
        inside = f"{where}, variant {name}"
        body = _mapping(value, inside, known=_VARIANT_KEYS, required=_VARIANT_KEYS)
        weight = _number(body["weight"], f"{inside}: weight")
        yield Variant(name=str(name), serves=_served(body["serves"], inside), weight=weight)


def _shadows(raw: Any, where: str) -> Iterator[Variant]:
    for name, value in _mapping(raw, f"{where}: shadows").items():
        yield Variant(name=str(name), serves=_served(value, f"{where}, shadow {name}"), weight=0.0)


def _text(raw: Any, where: str) -> str:
    if not isinstance(raw, str) or not raw:
        raise InputError(f"{where} is {raw!r}; wanted a text")
    return raw


def _design(raw: Any, where: str) -> Design:
    if raw not in list(Design):
        raise InputError(f"{where}: {unknown_name('design', str(raw), [each.value for each in Design])}")
    return Design(raw)


def _users(raw: Any, where: str) -> int:
    if type(raw) is not int or raw < 1:
        raise InputError(f"{where}: users is {raw!r}; wanted the number of users that you expect")
    return raw


def _kinds(raw: Any, where: str) -> tuple[str, ...]:
    """Names of one kind of events, or of several in a list."""
    if not isinstance(raw, str | list) or not raw:
        raise InputError(f"{where} is {raw!r}; wanted a kind of events, or a list of some")
    return tuple(check_name(each, where) for each in (raw if isinstance(raw, list) else [raw]))


def _refuse_variants(experiment: Experiment, where: str) -> None:
    """Refuse variants that cannot be compared."""
    names = [variant.name for variant in (*experiment.variants, *experiment.shadows)]
    if len(experiment.variants) < 2:
        raise InputError(f"{where}: {len(experiment.variants)} variants; wanted at least 2, the baseline first")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{where}: {', '.join(twice)} stands in variants and in shadows; wanted names of their own")
    if experiment.design is Design.INTERLEAVED:
        weights = [variant.weight for variant in experiment.variants]
        if len(weights) != 2 or weights[0] != weights[1]:
            raise InputError(f"{where}: weights {weights}; an interleaved experiment wants two variants of one weight")


def _refuse_overlap(experiments: Mapping[str, Experiment], path: Path) -> None:
    """Refuse two experiments of a dataset at one time: a request has one answer."""
    by_start = sorted(experiments.values(), key=lambda experiment: experiment.start)
    for first, second in combinations(by_start, 2):
        apart = None not in (first.dataset, second.dataset) and first.dataset != second.dataset
        if second.start < first.end and not apart:
            raise InputError(
                f"{path}: {second.name} starts at {second.start}, before {first.name} ends at {first.end}; "
                "wanted one experiment at a time, because a request has one answer"
            )


def _mapping(raw: Any, where: str, known: tuple[str, ...] = (), required: tuple[str, ...] = ()) -> dict[Any, Any]:
    """Mapping with known and all required keys.

    Args:
        raw: value from the file.
        where: its place, for messages.
        known: keys that it may have; none for any.
        required: keys that it must have.
    """
    if not isinstance(raw, dict):
        raise InputError(f"{where}: got {raw!r}; wanted keys with values")
    for key in raw:
        if known and key not in known:
            raise InputError(f"{where}: {unknown_name('key', str(key), known)}")
    if missing := [key for key in required if key not in raw]:
        raise InputError(f"{where}: missing {', '.join(missing)}; wanted {', '.join(required)}")
    return raw


def _number(raw: Any, where: str) -> float:
    # A bool is an int for Python; `yes` in YAML must not become a weight of 1.
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw < math.inf:
        raise InputError(f"{where} is {raw!r}; wanted a number above 0")
    return float(raw)


def _served(raw: Any, where: str) -> int | str:
    if raw in (CONTROL, CHAMPION) or (type(raw) is int and raw > 0):
        return raw
    raise InputError(f"{where}: serves {raw!r}; wanted the number of a version, {CHAMPION} or {CONTROL}")


def _time(raw: Any, where: str) -> datetime:
    # YAML reads some ISO times itself, others as text.
    return utc_time(where, raw.isoformat() if isinstance(raw, date) else str(raw))
