"""The page: everything that was read, whatever it holds, in one file without scripts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets import load
from feature_repo.datasets.clock import drop_future
from orchestration.asset_files import DATA_JSON
from orchestration.data_page.html import as_html
from orchestration.data_page.keep import read_page, write_page
from orchestration.data_page.page import Page, failures_of, find
from orchestration.data_page.profile import Profile, profile_tables
from tests.unit.orchestration.data_page.data_world import DAYS, profile, shop

NOW = datetime(2024, 6, 1)
INJECTIONS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE users; --",
    "</style></title><svg onload=alert(1)>",
    "&lt;b&gt;",
    "a\u202egpj.exe\x00\x1b[31m\n</td>",
)


class Marks(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def page_of(made: Profile, former: Profile | None = None) -> Page:
    against = 3 if former else None
    return Page(profile=made, findings=tuple(find(made, former)), former=former, against=against, accepted=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with dropped rows of every kind, two part files, and files that are not read."""
    header = "who,what,when,stars,state,note"
    rows = [f"u{n % 20},i{n % 9},2024-03-{1 + n % 28:02d},{1 + n % 5},ok,x" for n in range(400)]
    rows[7] = "u7,i404,2024-03-04,5,ok,x"
    rows[8:10] = ["u8,i1,2024-03-04,5,cancelled,x", ",i1,2024-03-04,5,ok,x"]
    rows[12] = "u12,i1,2031-03-04,5,ok,x"
    tmp_path.joinpath("log_1.csv").write_text("\n".join([header, *rows[:200]]))
    tmp_path.joinpath("log_2.csv").write_text("\n".join([header, *rows[200:]]))
    tmp_path.joinpath("items.csv").write_text("\n".join(["id,kind", *(f"i{n},k{n % 2}" for n in range(9))]))
    for name in ("old.csv", "notes.xlsx", "logo.png"):
        tmp_path.joinpath(name).write_text("a,b\n1,2")
    tmp_path.joinpath("archive").mkdir()
    tmp_path.joinpath("gatehouse.yaml").write_text(
        """
dataset: shop
seen_items_may_return: true
events: {file: log_*.csv, user: who, item: what, timestamp: when, rating: stars, positive_from: 2,
         drop_where: {state: cancel}, drop_without_id: true}
items: {file: items.csv, id: id, features: {kind: {kind: categorical}}}
"""
    )
    return tmp_path


def test_every_row_of_the_files_is_accounted_for(folder: Path) -> None:
    tables = drop_future(load("own", data=folder), NOW)
    reading = tables.readings["events"]
    assert (reading.files, reading.rows, reading.unused) == (("log_1.csv", "log_2.csv"), 400, ("state", "note"))
    dropped = {each.why: each.rows for each in reading.dropped}
    assert dropped == {
        "column 'state' matches 'cancel'": 1,
        "column 'who' has no id": 1,
        "'stars' below 2: no positives": 80,
        "'what' without a row in its table": 1,
        "after the present time": 1,
    }
    assert reading.rows - sum(dropped.values()) == tables.events.height
    assert tables.readings["items"].rows == 9
    assert set(tables.unread) == {"old.csv", "notes.xlsx", "logo.png", "archive"}
    assert "cannot be read" in tables.unread["notes.xlsx"]
    text = as_html(page_of(profile_tables(tables, NOW)))
    for said in (*("log_1.csv", "old.csv", "archive"), "no table of the dataset is read from it", "400"):
        assert said in text


def test_nothing_of_the_data_becomes_html(folder: Path) -> None:
    tables = load("own", data=folder)
    bad = pl.Series(INJECTIONS)
    rows = pl.int_range(pl.len()) % len(INJECTIONS)
    items = tables.items.with_columns(kind=pl.lit(bad).gather(rows))
    readings = {name: replace(each, files=INJECTIONS, unused=INJECTIONS) for name, each in tables.readings.items()}
    unread = dict.fromkeys(INJECTIONS, INJECTIONS[1])
    made = profile_tables(replace(tables, items=items, readings=readings, notes=INJECTIONS, unread=unread), NOW)
    empty = replace(made.tables["items"].columns["kind"], missing=9, rows=9, commonest={})
    columns = {**made.tables["items"].columns, INJECTIONS[0]: empty}
    made = replace(made, tables={**made.tables, "items": replace(made.tables["items"], columns=columns)})
    text = as_html(page_of(made))
    marks = Marks()
    marks.feed(text)
    assert any(INJECTIONS[0] in each.text for each in find(made, None))
    assert not marks.tags & {"script", "img", "iframe", "link", "object", "form"}
    assert not {name for name in marks.attributes if name.startswith("on")} | marks.attributes & {"src", "href"}
    assert text.count("<svg") == 1 and text.count("</style>") == 1 and text.count("<title>") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text)
    assert ("&lt;script&gt;" in text and "default-src &#x27;none&#x27;" in text) or "default-src 'none'" in text


def test_long_values_are_cut_on_the_page_and_in_the_json(tmp_path: Path) -> None:
    tables = shop(2, 20)
    long = tables.items.with_columns(pl.lit("x" * 70_000).alias("title"))
    page = page_of(profile(replace(tables, items=long), 20))
    path = write_page(page, tmp_path)
    assert "x" * 41 not in path.read_text()
    assert (tmp_path / DATA_JSON).stat().st_size < 60_000


def test_the_json_gives_the_profile_back(tmp_path: Path) -> None:
    made, former = profile(shop(3, DAYS + 1), DAYS + 1), profile(shop(3, DAYS), DAYS)
    write_page(page_of(made, former), tmp_path)
    raw = read_page(tmp_path)
    assert (raw["against"], raw["findings"], raw["accepted"]) == (3, [], False)
    back = Profile.from_json(raw["profile"])
    assert back.days.equals(made.days)
    assert back.to_json() == made.to_json()
    assert find(back, former) == find(made, former)
    assert "compared with the data of version 3" in (tmp_path / "data.html").read_text()
    assert "the last version&#x27;s data ended here" in (tmp_path / "data.html").read_text().replace("'", "&#x27;")


def test_a_person_can_accept_what_stops_a_run() -> None:
    raw = {"findings": [{"text": "lost", "fails": True}, {"text": "odd", "fails": False}]}
    assert failures_of({**raw, "accepted": False}) == ["lost"]
    assert failures_of({**raw, "accepted": True}) == []


def test_no_person_is_on_the_page(tmp_path: Path) -> None:
    """Of ids only the form, and a sample of hashes."""
    page = page_of(profile(shop(4, 20), 20))
    assert not re.search(r"\bu\d{3}\b", page.to_json() + as_html(page))
    assert json.loads(page.to_json())["profile"]["tables"]["events"]["columns"]["user_id"]["commonest"] == {"a999": 57}


def test_logs_of_any_length_have_a_plot() -> None:
    tables = shop(5, 20)
    for factor, unit in ((1, "day"), (100, "week"), (500, "month"), (3000, "year")):
        first = tables.events["timestamp"].min()
        times = first + (tables.events["timestamp"] - first) * factor
        spread = tables.events.with_columns(timestamp=times, created=times)
        text = as_html(page_of(profile(replace(tables, events=spread), 20)))
        assert f"events by {unit}" in text
        bars = re.findall(r'd="(M[\d.]+ 128v[^"]+)"', text)
        assert 1 <= bars[0].count("z") <= 401


def test_answers_are_counted_by_position_and_known_again() -> None:
    made = shop(seed=1, days=20)
    place = pl.int_range(pl.len()) % 12 + 1
    shown = made.events.drop("value").with_columns(
        request_id=pl.format("r{}", pl.int_range(pl.len()) // 12),
        user_id=pl.lit("u001"),
        position=pl.when(place != 4).then(place).cast(pl.Int32),
        click=pl.when(place != 3).then(place == 2),
        propensity=pl.when(place < 4).then(0.5),
        device=pl.lit("<b>phone</b>"),
        randomised=pl.when(pl.int_range(pl.len()) < 30).then(pl.lit("all")),
    )
    profiled = profile_tables(replace(made, impressions=shown), NOW)
    counts = profiled.shown
    assert counts is not None
    assert (counts.rows, counts.answers) == (shown.height, -(-shown.height // 12))
    assert counts.without_position == pytest.approx(1 / 12, abs=0.01)
    assert counts.with_propensity == pytest.approx(3 / 12, abs=0.01)
    assert [(place, rate) for place, _, rate in counts.clicks] == [(1, 0), (2, 1), (3, None)] + [
        (place, 0) for place in range(5, 11)
    ]
    assert Profile.from_json(json.loads(json.dumps(profiled.to_json()))).shown == counts
    text = as_html(page_of(profiled))
    assert "100.00%" in text
    assert "<b>phone" not in text
    assert counts.randomised == 3
    assert "In 3 answers items stand in random order." in text
    untold = profile_tables(replace(made, impressions=shown.drop("randomised")), NOW)
    assert untold.shown is not None and untold.shown.randomised is None
    assert "random order" not in as_html(page_of(untold))


def test_the_profile_of_a_former_version_has_no_counts_of_answers() -> None:
    raw = profile(shop(seed=1, days=20), 20).to_json()
    del raw["shown"]
    assert Profile.from_json(raw).shown is None
