"""Report on an experiment as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestration.experiments.effects import Bounds, Effect, Level
from orchestration.experiments.report import Report
from orchestration.experiments.shadows import ShadowValue
from serving.experiments.statistics.preference import Preference

HEADER = ("metric", "variant", "users", "value", "95 % interval", "against baseline", "one look", "any look", "detects")


def report_text(report: Report) -> str:
    """Word a report for people. Differences are relative where they can be."""
    lines = [f"{report.experiment} as of {report.as_of:%Y-%m-%d %H:%M}, baseline {report.baseline}"]
    lines += [f"warning: {note}" for note in report.notes]
    lines += [_users(report)]
    if report.levels:
        lines += table([HEADER, *_rows(report)])
    return "\n".join([*lines, *_further(report)])


def report_markdown(report: Report) -> str:
    """Word a report for a page of Dagster."""
    lines = [f"as of {report.as_of:%Y-%m-%d %H:%M}, baseline {report.baseline}"]
    lines += [*(f"**{note}**" for note in report.notes), _users(report)]
    if report.levels:
        table = [HEADER, ("---",) * len(HEADER), *_rows(report)]
        lines += ["\n".join(f"| {' | '.join(row)} |" for row in table)]
    return "\n\n".join([*lines, *_further(report)])


def _further(report: Report) -> Iterator[str]:
    """Lines behind the table."""
    if report.preference:
        yield _preference(report.preference, report.baseline)
    yield from map(_shadow, report.shadows)


def _users(report: Report) -> str:
    ratio = report.sample_ratio
    shares = ", ".join(
        f"{name} {count:,} (expected {ratio.expected[name]:,.0f})" for name, count in ratio.users.items()
    )
    chance = "too few for a test of the shares" if ratio.p is None else f"sample ratio p = {ratio.p:.3g}"
    return f"users: {shares}; {chance}; {report.waiting:,} wait for the end of their window"


def _rows(report: Report) -> Iterator[tuple[str, ...]]:
    for level in report.levels:
        own = [each for each in report.effects if (each.metric, each.variant) == (level.metric, level.variant)]
        yield (*_level(level), *(_effect(own[0]) if own else ("",) * 4))
        for each in own[1:]:
            yield (f"{each.metric} CUPED", each.variant, "", "", "", *_effect(each))


def _level(level: Level) -> tuple[str, ...]:
    return (
        level.metric,
        level.variant,
        f"{level.users:,}",
        f"{level.value:.4g}",
        f"{level.low:.4g} to {level.high:.4g}",
    )


def _effect(effect: Effect) -> tuple[str, ...]:
    if effect.relative is None:
        return _bounds(effect.difference, "{:+.4g}", 1)
    return _bounds(effect.relative, "{:+.1f} %", 100)


def _bounds(bounds: Bounds, form: str, unit: float) -> tuple[str, ...]:
    def shown(*values: float) -> str:
        return " to ".join(form.format(value * unit) for value in values)

    return (
        shown(bounds.value),
        shown(bounds.low, bounds.high),
        shown(bounds.anytime_low, bounds.anytime_high),
        shown(bounds.detectable).lstrip("+"),
    )


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a table with a header, its columns in line."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _preference(found: Preference, baseline: str) -> str:
    low, high = found.share.interval()
    return (
        f"preference: {found.for_second:,} users for the other variant, {found.for_first:,} for {baseline}, "
        f"{found.ties:,} for neither; share {found.share.value:.3f} ({low:.3f} to {high:.3f}), "
        f"sign test p = {found.p:.3g}"
    )


def _shadow(found: ShadowValue) -> str:
    if found.refused:
        return f"shadow {found.shadow}: no ctr, {found.refused}"
    values = ", ".join(
        f"{name} {found.estimates[name].value:.4g} ({low:.4g} to {high:.4g})"
        for name, (low, high) in found.intervals.items()
    )
    return f"shadow {found.shadow}: ctr {values}; {found.effective_users:,.0f} effective users"
