"""Lists of two versions on planted users, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import polars as pl
import pytest

from orchestration.asset_values import Judged, Source, Version
from orchestration.difference import SHOWN_USERS, Difference, difference_of, item_names
from orchestration.difference_page.keep import keep_difference
from orchestration.difference_page.page import difference_html, slices_of
from orchestration.evaluated import CHAMPION, TWO_TOWER, Evaluated
from serving.gate.verdict import Outcome, Verdict
from serving.registry import OVERRIDE
from training.evaluation.evaluate import evaluate_systems
from training.evaluation.holdout import Holdout
from training.evaluation.slices import FieldSlices, Partition
from training.retrieval.exact import score_search

USERS, ITEMS = 60, 50
HOSTILE = "<script>alert(1)</script>\x1b[31m & \"quotes'"
NAMES = pl.Series([HOSTILE if n == 0 else f"item {n}" for n in range(ITEMS)])


@pytest.fixture(scope="module")
def holdout() -> Holdout:
    """Every user takes item 0 and three of its own; it had the item with its number before."""
    users = np.repeat(np.arange(USERS), 4)
    items = np.stack([np.zeros(USERS, int), *((np.arange(USERS) * 7 + n) % 49 + 1 for n in (1, 2, 3))], axis=1).ravel()
    before = (np.arange(USERS), np.arange(USERS) % ITEMS)
    return Holdout.from_interactions(before=before, after=(users, items), items=ITEMS, seen_items_may_return=True)


@pytest.fixture(scope="module")
def measured(holdout: Holdout) -> Evaluated:
    """The version finds everything for the first half of the users, the champion for all; the rest is drawn."""

    def searched(knows: np.ndarray, seed: int):
        noise = np.random.default_rng(seed).random((USERS, ITEMS)).astype(np.float32)
        return score_search(lambda rows: noise[rows] + 2 * knows[rows, None] * holdout.relevant[rows].toarray())

    half = Partition(names=("users.half=first", "users.half=<b>"), codes=(np.arange(USERS) >= USERS // 2).astype(int))
    systems = evaluate_systems(
        [
            (TWO_TOWER, searched((np.arange(USERS) < USERS // 2).astype(np.float32), 0)),
            (CHAMPION, searched(np.ones(USERS, np.float32), 0)),
        ],
        holdout,
        corpora={"w": None},
        seed=0,
        reference=TWO_TOWER,
        slices=FieldSlices(users=(half,)),
    )["w"]
    return Evaluated(
        systems=systems,
        core={},
        core_items=0,
        items=ITEMS,
        index_recall=1.0,
        index_users=USERS,
        difference=difference_of(systems[TWO_TOWER], systems[CHAMPION], holdout, NAMES, seed=0),
        champion=3,
        champion_cut=datetime(2024, 3, 1),
        champion_note=None,
    )


def found(measured: Evaluated) -> Difference:
    assert measured.difference is not None
    return measured.difference


def test_who_gains_and_who_loses_is_counted_by_slice(measured: Evaluated) -> None:
    moved = found(measured).moved
    first, second = moved["all/users.half=first"], moved["all/users.half=<b>"]
    assert (first.users, first.gained, first.lost) == (30, 0, 0)
    assert (second.users, second.gained) == (30, 0)
    assert second.lost == moved["all"].lost > 20


def test_the_overlap_of_equal_lists_is_whole(measured: Evaluated) -> None:
    """The first half has the same scores in both systems."""
    overlaps = found(measured)
    assert sum(overlaps.overlap_users) == USERS
    assert overlaps.overlap_users[-1] >= 30
    assert overlaps.overlap_quantiles["p10"] < overlaps.overlap_quantiles["p90"] == 1.0
    assert 0.5 < overlaps.overlap_mean < 1.0


def test_users_are_shown_with_what_they_got_had_and_took(measured: Evaluated, holdout: Holdout) -> None:
    shown = found(measured).shown
    assert len(shown) == SHOWN_USERS
    for each in shown:
        assert (each.relevant_items, each.seen_items) == (4, 1)
        assert sum(rank.hit for rank in each.other) == 4 == round(4 * each.other_recall)
        assert sum(rank.hit for rank in each.own) == round(4 * each.recall)
        assert sum(rank.shared for rank in each.own) == sum(rank.shared for rank in each.other)
        assert sum(rank.shared for rank in each.own) == round(20 * each.overlap)
        assert {rank.name for rank in each.own if rank.hit} <= set(each.relevant)
        assert HOSTILE in each.relevant
    assert any(rank.seen for each in shown for rank in each.own)


def test_the_users_are_drawn_by_the_seed(measured: Evaluated, holdout: Holdout) -> None:
    own, other = measured.systems[TWO_TOWER], measured.systems[CHAMPION]
    again, another = (difference_of(own, other, holdout, NAMES, seed=seed) for seed in (0, 1))
    assert again == measured.difference
    assert another is not None and another.shown != found(measured).shown


def test_a_difference_survives_its_json(measured: Evaluated) -> None:
    assert Difference.from_dict(json.loads(json.dumps(asdict(found(measured))))) == measured.difference
    assert Evaluated.from_json(measured.to_json()).difference == measured.difference


def test_lists_that_were_not_kept_give_none(measured: Evaluated, holdout: Holdout) -> None:
    own = measured.systems[TWO_TOWER]
    assert difference_of(own, replace(own, lists=None), holdout, NAMES, seed=0) is None


def test_items_are_named_by_displayed_fields_or_their_ids() -> None:
    items = pl.DataFrame({"item_id": ["c", "a", "b"], "title": ["Soup", None, ""], "size": [2, None, None]})
    corpus = pl.Series(["a", "b", "c", "d"])
    assert item_names(corpus, items, ["title", "size"]).to_list() == ["a", "b", "Soup, 2", "d"]
    assert item_names(corpus, items, []).to_list() == ["a", "b", "c", "d"]


class _Elements(HTMLParser):
    """Elements and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page_of(measured: Evaluated, overrides: Mapping[int, str] | None = None) -> str:
    verdict = Verdict(Outcome.FAILED, (f"failed: {HOSTILE}", "passed: users"))
    page = difference_html("shop", 7, Evaluated.from_json(measured.to_json()), verdict, overrides or {})
    assert page is not None
    return page


def test_the_page_holds_verdict_slices_and_users(measured: Evaluated) -> None:
    page = _Elements(page_of(measured))
    text = " ".join(" ".join(page.texts).split())
    assert "shop v7 beside the champion v3" in text
    assert "Verdict: failed" in text
    assert page.tags.count("details") == SHOWN_USERS
    assert page.tags.count("li") == SHOWN_USERS * 40 + 2
    assert page.tags.count("svg") == 2
    rows = [each.name for each in slices_of(measured, found(measured))]
    assert rows[0] == "all" and "users.half=<b>" in rows
    assert page.tags.count("circle") == len(rows)


def test_overrides_are_shown_and_are_no_markup(measured: Evaluated) -> None:
    assert "by an override" not in page_of(measured)
    page = _Elements(page_of(measured, {3: "<script>why</script> & not"}))
    text = " ".join(" ".join(page.texts).split())
    assert "v3 was promoted against the gate, by an override: <script>why</script> & not" in text
    assert "script" not in page.tags


def test_values_of_the_data_are_no_markup_and_the_page_asks_for_nothing(measured: Evaluated) -> None:
    page = page_of(measured)
    elements = _Elements(page)
    assert "script" not in elements.tags and "b" in elements.tags
    assert HOSTILE.replace("\x1b", r"\x1b") in " ".join(elements.texts)
    assert "\x1b" not in page
    assert not {"src", "href", "onload", "onclick"} & {name for name, _ in elements.attributes}
    assert "url(" not in page and "@import" not in page and "http:" not in page and "https:" not in page
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in elements.attributes


def test_the_page_is_stored_with_the_version_once(measured: Evaluated, tmp_path: Path) -> None:
    times = dict.fromkeys(("as_of", "validation_start", "cut"), "2024-03-01T00:00:00")
    source = Source(dataset="shop", folder=tmp_path / "source", sha256="", **times)
    judged = Judged(
        version=Version(source=source, frames=tmp_path / "training_set", version=7, reused=False),
        path=tmp_path / "evaluation.json",
    )
    (tmp_path / "v7").mkdir()
    judged.path.write_text(measured.to_json())
    registry, verdict = Mock(tags=lambda _: {}), Verdict(Outcome.PASSED, ("passed: users",))
    path = keep_difference(registry, judged, verdict)
    assert path == tmp_path / "v7" / "difference.html"
    assert path.read_text() == difference_html("shop", 7, measured, verdict, {})
    registry.write_text.assert_called_once_with(7, "difference.html", path.read_text())
    assert keep_difference(registry, judged, verdict) == path
    registry.write_text.assert_called_once()
    registry.tags = {3: {OVERRIDE: "<b>hurry"}, 7: {}}.__getitem__
    assert keep_difference(registry, judged, verdict) == path
    assert path.read_text() == difference_html("shop", 7, measured, verdict, {3: "<b>hurry"})
    judged.path.write_text(replace(measured, difference=None).to_json())
    assert keep_difference(registry, judged, verdict) is None


def test_there_is_no_page_without_a_champion(measured: Evaluated) -> None:
    assert difference_html("shop", 7, replace(measured, difference=None), Verdict(Outcome.PASSED, ()), {}) is None
