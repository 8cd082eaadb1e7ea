"""Page on the data as one HTML file: no script, nothing from elsewhere, all text escaped.

Values are people's data and may be anything: control characters are shown as escapes, long
values are cut, and the page's policy lets no script run.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from orchestration.data_page.columns import QUANTILES, Column
from orchestration.data_page.days_plot import days_svg
from orchestration.reporting.text import plain

if TYPE_CHECKING:
    from orchestration.data_page.page import Page
    from orchestration.data_page.profile import Profile

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --warn: #8a5a00; --fail: #b00d1a }
@media (prefers-color-scheme: dark) { :root { --warn: #e5a93b; --fail: #ff7b7b } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 82rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin: 0; font-size: 1.7rem } h2 { margin: 2.2rem 0 .5rem; font-size: 1.2rem }
p { margin: .4rem 0 } .dim { opacity: .72 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; width: 100% }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top }
th { font-weight: 600; white-space: nowrap } td.n, th.n { text-align: right }
td { overflow-wrap: break-word } td.n { white-space: nowrap } td:last-child:not(.n) { min-width: 15rem }
.finding { border-left: 4px solid var(--warn); background: var(--soft); padding: .4rem .8rem; margin: .4rem 0;
  overflow-wrap: anywhere }
.finding.fails { border-color: var(--fail) }
.finding b { text-transform: uppercase; font-size: .75rem; letter-spacing: .05em; margin-right: .5rem }
.finding b { color: var(--warn) } .finding.fails b { color: var(--fail) }
svg { width: 100%; height: auto; display: block } svg text { fill: currentColor; font-size: 11px }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
SHOWN_VALUES, SHOWN_FILES, SHOWN_VALUE = 6, 20, 40
COLUMN_HEADS = ("column", "kind", "missing", "distinct", *QUANTILES, "commonest")
PLAIN_HEADS = ("column", "kind", "commonest", "files", "table", "dropped", "file", "why", "columns not used", "")


def as_html(page: Page) -> str:
    """Write a page as HTML."""
    profile = page.profile
    title = f"Data of {text(profile.dataset)}"
    of_data = (*_files(profile), *_log(page), *_shown(profile), *_tables(profile), *_notes(profile))
    body = "\n".join((*_head(page), *_findings(page), *of_data))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )


def text(value: object, length: int | None = None) -> str:
    """Text of any value for HTML: one line, escaped, cut.

    Args:
        value: the value.
        length: characters that are shown; None for those of a line.
    """
    line = str(value)
    line = plain(line if length is None or len(line) <= length else f"{line[: length - 1]}…")
    return html.escape(line.encode("utf-8", "replace").decode(), quote=True)


def _head(page: Page) -> Iterator[str]:
    profile = page.profile
    counts = ", ".join(f"{table.rows:,} {name}" for name, table in profile.tables.items())
    yield f"<p>{counts}; from {profile.first:%Y-%m-%d %H:%M} to {profile.last:%Y-%m-%d %H:%M} UTC.</p>"
    beside = f"compared with the data of version {page.against}" if page.former else "the first data of this dataset"
    yield f'<p class="dim">Read at {profile.now:%Y-%m-%d %H:%M} UTC; {beside}.</p>'


def _findings(page: Page) -> Iterator[str]:
    yield "<h2>Warnings</h2>"
    if not page.findings:
        yield "<p>None.</p>"
    for each in sorted(page.findings, key=lambda finding: not finding.fails):
        kind, name = (" fails", "stops the run") if each.fails else ("", "warning")
        full = html.escape("".join(map(_printed, each.text)))
        yield f'<div class="finding{kind}"><b>{name}</b>{text(each.rule)}: {full}</div>'
    if page.accepted and any(each.fails for each in page.findings):
        yield "<p>The run went on: the data were accepted as they are.</p>"


def _printed(sign: str) -> str:
    return sign if sign.isprintable() else repr(sign)[1:-1]


def _files(profile: Profile) -> Iterator[str]:
    rows = []
    for name, table in profile.tables.items():
        reading = table.reading
        if reading is None:
            rows.append((name, "from the events", "", "", f"{table.rows:,}", ""))
            continue
        files = ", ".join(text(each) for each in reading.files[:SHOWN_FILES])
        if len(reading.files) > SHOWN_FILES:
            files += f" and {len(reading.files) - SHOWN_FILES:,} more"
        dropped = "<br>".join(f"{each.rows:,} {text(each.why)}" for each in reading.dropped)
        unused = ", ".join(text(each) for each in reading.unused)
        rows.append((name, files, f"{reading.rows:,}", dropped or "none", f"{table.rows:,}", unused))
    yield "<h2>Files</h2>"
    yield _table(("table", "files", "rows read", "dropped", "rows kept", "columns not used"), rows)
    if profile.unread:
        yield "<p>There, and not read:</p>"
        unread = list(profile.unread.items())
        more = [("…", f"{len(unread) - SHOWN_FILES:,} more")] if len(unread) > SHOWN_FILES else []
        yield _table(("file", "why"), [(text(name), text(why)) for name, why in unread[:SHOWN_FILES]] + more)


def _log(page: Page) -> Iterator[str]:
    profile = page.profile
    yield "<h2>Log</h2>"
    yield days_svg(profile.days["day"], profile.days["events"], page.former.last.date() if page.former else None)
    counts = (("events of a user", profile.per_user), ("events of an item", profile.per_item))
    yield _table(("", *QUANTILES), [(name, *(_number(of.get(each)) for each in QUANTILES)) for name, of in counts])


def _shown(profile: Profile) -> Iterator[str]:
    shown = profile.shown
    if shown is None:
        return
    yield "<h2>Answers</h2>"
    randomised = "" if shown.randomised is None else f" In {shown.randomised:,} answers items stand in random order."
    yield (
        f"<p>{shown.rows:,} impressions in {shown.answers:,} answers; {shown.without_position:.1%} without a position, "
        f"{shown.with_propensity:.1%} with a propensity.{randomised}</p>"
    )
    if shown.clicks:
        rates = [(f"{place}", f"{rows:,}", "" if rate is None else f"{rate:.2%}") for place, rows, rate in shown.clicks]
        yield _table(("position", "impressions", "clicked"), rates)


def _tables(profile: Profile) -> Iterator[str]:
    for name, table in profile.tables.items():
        yield f"<h2>{name.capitalize()}</h2>"
        yield _table(COLUMN_HEADS, [_row(*each) for each in table.columns.items()])


def _row(name: str, column: Column) -> tuple[str, ...]:
    kind = column.kind + (f" ({column.what})" if column.what else "")
    missing = "" if not column.missing else f"{column.missing_share:.1%}"
    distinct = "" if column.distinct is None else f"{column.distinct:,}"
    quantiles = (_number(column.quantiles.get(each)) for each in QUANTILES)
    shown = list(column.commonest.items())[:SHOWN_VALUES]
    common = ", ".join(f"{text(value, SHOWN_VALUE)} ({rows:,})" for value, rows in shown)
    return (text(name), kind, missing, distinct, *quantiles, common)


def _notes(profile: Profile) -> Iterator[str]:
    if profile.notes:
        yield "<h2>Notes of the reader</h2><ul>"
        yield from (f"<li>{html.escape(''.join(map(_printed, note)))}</li>" for note in profile.notes)
        yield "</ul>"


def _number(value: float | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return text(value[:10])
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Table of cells that are HTML already."""
    marks = {head: "" if head in PLAIN_HEADS else ' class="n"' for head in heads}
    head = "".join(f"<th{mark}>{html.escape(name)}</th>" for name, mark in marks.items())
    lines = ("".join(f"<td{mark}>{cell}</td>" for cell, mark in zip(row, marks.values(), strict=True)) for row in rows)
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><tr>{head}</tr>\n{body}</table></div>'
