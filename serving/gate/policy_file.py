"""Reading of a policy file, with the keys of earlier versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from feature_repo.read_yaml import read_yaml
from serving.gate.drift import read_limits
from serving.gate.guard_policy import GuardPolicy, RefitPolicy, UpdatePolicy
from serving.gate.latency import read_latency
from serving.gate.policy import CHAMPION, Kind, Policy, Rule, Undecided
from serving.gate.sanity import read_bounds

Guarding = TypeVar("Guarding", bound=GuardPolicy)
SHIPPED = Path(__file__).parents[1] / "gate.yaml"


def read_policy(path: Path | None = None) -> Policy:
    """Read a policy file, by default the shipped one, which explains each part.

    ValueError for unknown, absent or repeated keys, wild values, or no rule against the champion.
    """
    import yaml

    path = path or SHIPPED
    try:
        text = path.read_text(encoding="utf-8")
        raw = read_yaml(text)
        if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
            raise ValueError(f"got {type(raw).__name__}, wanted keys with values, each key a word")
        rules = tuple(_rules(raw))
        not_beaten = _names(raw.pop("not_beaten", None) or (), "not_beaten")
        sanity = read_bounds(raw.pop("sanity", None) or {})
        drift = None if (given := raw.pop("drift", None)) is None else read_limits(given)
        latency = {} if (given := raw.pop("latency", None)) is None else read_latency(given)
        refit, update = _guards(raw, "refit", RefitPolicy), _guards(raw, "update", UpdatePolicy)
        compared: dict[str, Any] = {"rules": rules, "not_beaten": not_beaten, "sanity": sanity, "drift": drift}
        policy = Policy(**compared, latency=latency, refit=refit, update=update, text=text, **raw)
        _check_champion(policy)
    except (TypeError, KeyError, AttributeError, ValueError, yaml.YAMLError) as error:
        said = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"gate policy {path}: {said}; serving/gate.yaml shows what is wanted") from error
    return policy


def _guards(raw: dict[str, Any], name: str, kind: type[Guarding]) -> Guarding:
    """Take a section of guards out of a policy's keys.

    Args:
        raw: the keys.
        name: the section.
        kind: the type of its guards.
    """
    try:
        return kind(**(raw.pop(name, None) or {}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def _rules(raw: dict[str, Any]) -> Iterator[Rule]:
    """Take the rules that compare out of a policy's keys."""
    for part in raw.pop("margins", None) or ():
        yield _earlier(part, Kind.SUPERIORITY, against="baseline", margin="margin", default=0.0)
    for kind in (Kind.SUPERIORITY, Kind.NON_INFERIORITY):
        for part in raw.pop(kind.value, None) or ():
            yield _rule(kind, part)
    if (part := raw.pop("regression", None)) is not None:
        yield _earlier({**part, "champion": CHAMPION}, Kind.NON_INFERIORITY, against="champion", margin="max_drop")


def _rule(kind: Kind, part: Mapping[str, Any]) -> Rule:
    """Read one rule of today's form."""
    name = f"{kind.value} against {part['against']}"
    given = {each: _names(part.get(each) or (), f"{name}: {each}") for each in ("metrics", "slices")}
    if not given["metrics"]:
        raise ValueError(f"{name}: metrics is missing")
    undecided = part.get("undecided", Undecided.UNDECIDED)
    if undecided not in list(Undecided):
        raise ValueError(f"{name}: undecided is {undecided!r}, wanted one of {', '.join(Undecided)}")
    if kind is Kind.NON_INFERIORITY and "margin" not in part:
        raise ValueError(f"{name}: margin is missing, the relative loss that is allowed, like 0.02")
    return Rule(**{**part, **given, "kind": kind, "undecided": Undecided(undecided)})


def _earlier(part: Mapping[str, Any], kind: Kind, *, against: str, margin: str, default: float | None = None) -> Rule:
    """Read a rule of `margins` or `regression`, which were decided by the estimate.

    Args:
        part: its keys.
        kind: today's kind of the rule.
        against: key of the other system.
        margin: key of the margin.
        default: margin where none is given; None if it must be.
    """
    if strange := sorted(set(part) - {against, margin, "metrics"}):
        raise ValueError(f"unknown key {', '.join(strange)}")
    value = part[margin] if default is None else part.get(margin, default)
    metrics = _names(part["metrics"], "metrics")
    return Rule(kind=kind, against=part[against], metrics=metrics, margin=value, undecided=Undecided.ESTIMATE)


def _names(given: Any, name: str) -> tuple[str, ...]:
    # A string is a sequence of letters, each of which would be a metric.
    if isinstance(given, str | Mapping):
        raise ValueError(f"{name} is {given!r}, wanted a list")
    return tuple(given)


def _check_champion(policy: Policy) -> None:
    """Refuse a policy under which any loss against the champion would pass."""
    if not any(rule.against == CHAMPION and rule.metrics and rule.is_whole for rule in policy.rules):
        raise ValueError(
            "no rule compares a whole view with the champion; write non_inferiority: [{against: champion, metrics:"
            " [all/recall@20], margin: 0.02}]"
        )
