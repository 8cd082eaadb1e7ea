"""Rules over slices: each judged at a level that holds for all of them together."""

from __future__ import annotations

from collections.abc import Mapping

from serving.gate.comparison import Comparison, corrected_level
from serving.gate.measured import Comparisons, Measured
from serving.gate.paired import UNJUDGED, claim, decide_interval, numbers_of, shown_effect
from serving.gate.policy import Policy, Rule
from serving.gate.power import sight
from serving.gate.verdict import Judged, Outcome, RuleKind, worst


def judge_slices(rule: Rule, metric: str, compared: Comparisons, measured: Measured, policy: Policy) -> Judged:
    """Judge a metric in all slices of a rule, in one sentence.

    Args:
        rule: the rule.
        metric: the metric of a view.
        compared: the challenger beside the rule's other system.
        measured: users of each slice, and values of each field.
        policy: level of the intervals and least users of a slice.
    """
    names = rule.names(metric)
    by_field = {field: _of_field(field, metric, measured.users) for field in rule.fields}
    every = names | {part: name for found in by_field.values() for part, name in found.items()}
    enough = {name for name in every.values() if _users(name, measured.users) >= policy.min_slice_users}
    # The number of slices depends on users alone, so that the level is fixed before any
    # metric is looked at.
    level = corrected_level(policy.level, len(enough))
    judged = [
        _slice(rule, part, compared.get(name), level)
        if name in enough
        else (UNJUDGED[rule.undecided], f"{part} not judged ({_users(name, measured.users):,} users)")
        for part, name in names.items()
    ]
    for field, found in by_field.items():
        some = {part: compared.get(name) for part, name in found.items() if name in enough}
        values = measured.slice_values.get(field)
        rest = _rest(len(some), len(found), values or 0)
        judged += _field(rule, field, some, values, level, rest)
    head = f"{metric} by slice against {rule.against}, {claim(rule)}, {len(enough)} slices with at least"
    text = f"{head} {policy.min_slice_users:,} users: {'; '.join(text for _, text in judged)}"
    numbers: dict[str, float] = {}
    for part, name in every.items():
        if name in enough and name in compared and compared[name].is_measured:
            numbers |= numbers_of(f"{metric} in {part} against {rule.against}", compared[name], level)
    return Judged(RuleKind.SLICES, worst(outcome for outcome, _ in judged), text, numbers)


def _slice(rule: Rule, name: str, compared: Comparison | None, level: float) -> tuple[Outcome, str]:
    """Part of a sentence on one slice."""
    if compared is None or not compared.is_measured:
        return Outcome.UNDECIDED, f"{name} not measured"
    outcome, why = decide_interval(rule, compared, level)
    parts = (f"{name} {outcome} at {shown_effect(compared, level)}", why, sight(rule, compared, level, outcome))
    return outcome, ", ".join(part for part in parts if part)


def _field(
    rule: Rule, field: str, some: Mapping[str, Comparison | None], values: int | None, level: float, rest: str
) -> list[tuple[Outcome, str]]:
    """Parts of a sentence on the values of a field: those that did not pass, and the lowest.

    Args:
        rule: the rule.
        field: name of the field.
        some: comparisons of the values with enough users.
        values: values that any user has; None if the field was not measured.
        level: level of the intervals.
        rest: words on the values that are not judged.
    """
    if values is None:
        return [(Outcome.UNDECIDED, f"{field} not measured")]
    if not some:
        return [(UNJUDGED[rule.undecided], f"{field} not judged (none of its {values:,} values has enough users)")]
    judged = {part: _slice(rule, part, each, level) for part, each in some.items()}
    open_ = [each for each in judged.values() if each[0] is not Outcome.PASSED]
    lowest = min(some, key=lambda part: compared.effect if (compared := some[part]) else 0.0)
    text = f"{field}: {len(some)} of {values:,} values judged{rest}, lowest {judged[lowest][1]}"
    return [*open_, (judged[lowest][0], text)]


def _rest(judged: int, measured: int, values: int) -> str:
    """Say why values of a field are not judged.

    Args:
        judged: values with enough users.
        measured: values that were measured.
        values: all values.
    """
    if values > measured:
        return f", of the {measured} with most users"
    return f", the other {values - judged:,} have fewer users" if values > judged else ""


def _of_field(field: str, metric: str, users: Mapping[str, int]) -> dict[str, str]:
    """Names of a metric by measured value of a field."""
    view, plain = metric.split("/")
    head = f"{view}/{field}="
    return {name.removeprefix(f"{view}/"): f"{name}/{plain}" for name in users if name.startswith(head)}


def _users(name: str, users: Mapping[str, int]) -> int:
    return users.get(name.rsplit("/", 1)[0], 0)
