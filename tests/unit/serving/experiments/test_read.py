"""experiments.yaml: what it says, and errors that name file, key, what was got and wanted."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from feature_repo.errors import InputError
from serving.experiments.definition import Design, Variant
from serving.experiments.exploration import Exploration, Kind
from serving.experiments.read import exploration_of, read_experiment, read_experiments

GOOD = """
newer:
  start: 2026-06-01
  end: 2026-06-29T12:00:00+02:00
  variants:
    now: {serves: champion, weight: 3}
    seven: {serves: 7, weight: 1}
  shadows:
    eight: 8
popular:
  start: 2026-07-01T06:00
  end: 2026-08-01
  salt: pepper
  design: interleaved
  window_days: 1.5
  users: 500
  clicks: played
  purchases: [rented, bought]
  variants:
    now: {serves: champion, weight: 1}
    plain: {serves: control, weight: 1}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "experiments.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_definition_has_what_the_file_says_and_defaults(tmp_path: Path) -> None:
    found = read_experiments(write(tmp_path, GOOD))
    newer, popular = found["newer"], found["popular"]
    assert newer.variants == (
        Variant(name="now", serves="champion", weight=3.0),
        Variant(name="seven", serves=7, weight=1.0),
    )
    assert newer.propensities == {"now": 0.75, "seven": 0.25}
    assert newer.shadows == (Variant(name="eight", serves=8, weight=0.0),)
    assert (newer.start, newer.end) == (datetime(2026, 6, 1), datetime(2026, 6, 29, 10))
    assert (newer.salt, newer.design, newer.window, newer.users) == ("newer", Design.SPLIT, timedelta(days=7), 10_000)
    assert (popular.salt, popular.design, popular.window) == ("pepper", Design.INTERLEAVED, timedelta(days=1.5))
    assert (newer.clicks, newer.purchases) == (("click",), ("purchase",))
    assert (popular.users, popular.baseline) == (500, "now")
    assert (popular.clicks, popular.purchases) == (("played",), ("rented", "bought"))
    assert popular.propensities == {"interleaved": 1.0}


def test_an_experiment_runs_from_its_start_to_just_before_its_end(tmp_path: Path) -> None:
    newer = read_experiment(write(tmp_path, GOOD), "newer")
    moments = (datetime(2026, 5, 31, 23), datetime(2026, 6, 1), datetime(2026, 6, 29, 9), datetime(2026, 6, 29, 10))
    assert [newer.runs_at(moment) for moment in moments] == [False, True, True, False]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("  start: 2026-06-01\n", "", r"newer: missing start; wanted start, end, variants"),
        ("start: 2026-06-01\n", "start: soon\n", r"newer: start is 'soon'.*wanted an ISO time"),
        ("salt: pepper", "sal: pepper", r"popular: no key 'sal'; did you mean 'salt'\?"),
        ("salt: pepper", "salt: 7", r"popular: salt is 7; wanted a text"),
        ("weight: 3", "weight: yes", r"newer, variant now: weight is True; wanted a number above 0"),
        ("weight: 3", "weight: 0", r"weight is 0; wanted a number above 0"),
        ("weight: 3", "weight: .nan", r"weight is nan; wanted a number above 0"),
        ("serves: 7", "serves: v7", r"variant seven: serves 'v7'; wanted the number of a version, champion or control"),
        ("eight: 8", "eight: 0", r"shadow eight: serves 0; wanted the number"),
        ("eight: 8", "seven: 8", r"newer: seven stands in variants and in shadows"),
        ("    seven: {serves: 7, weight: 1}\n", "", r"newer: 1 variants; wanted at least 2, the baseline first"),
        ("design: interleaved", "design: interleave", r"did you mean 'interleaved'\?"),
        ("plain: {serves: control, weight: 1}", "plain: {serves: control, weight: 2}", r"\[1.0, 2.0\].*of one weight"),
        ("window_days: 1.5", "window_days: 40", r"is shorter than the window of 40 days"),
        ("users: 500", "users: many", r"users is 'many'; wanted the number of users"),
        ("clicks: played", "clicks: []", r"popular: clicks is \[\]; wanted a kind of events, or a list of some"),
        ("clicks: played", "click: played", r"popular: no key 'click'; did you mean 'clicks'\?"),
        ("[rented, bought]", "[rented, Bought]", r"popular: purchases: kind 'Bought'; wanted up to 64 lower-case"),
        ("[rented, bought]", "{rented: 1}", r"popular: purchases is \{'rented': 1\}; wanted a kind of events"),
        ("start: 2026-07-01T06:00", "start: 2026-06-29T09:59", r"popular starts at .* before newer ends at"),
        ("newer:", "newer", r"not readable as YAML"),
        ("popular:", "newer:", r"newer in line \d+ is there already, in line 2; wanted it once"),
    ],
)
def test_errors_name_file_key_got_and_wanted(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    assert right in GOOD
    with pytest.raises(InputError, match=said) as caught:
        read_experiments(write(tmp_path, GOOD.replace(right, wrong)))
    assert str(tmp_path / "experiments.yaml") in str(caught.value)


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no experiment 'never'; did you mean 'newer'"):
        read_experiment(write(tmp_path, GOOD), "never")
    with pytest.raises(InputError, match="no such file"):
        read_experiments(tmp_path / "absent.yaml")


def test_a_file_of_comments_has_no_experiments(tmp_path: Path) -> None:
    assert read_experiments(write(tmp_path, "# newer:\n")) == {}
    with pytest.raises(InputError, match=r"got \['newer'\]; wanted keys with values"):
        read_experiments(write(tmp_path, "- newer\n"))


def test_experiments_of_other_datasets_may_run_at_one_time(tmp_path: Path) -> None:
    together = GOOD.replace("start: 2026-07-01T06:00", "start: 2026-06-02")
    of_two = together.replace("salt: pepper", "dataset: shop")
    with pytest.raises(InputError, match="wanted one experiment at a time"):
        read_experiments(write(tmp_path, of_two))
    found = read_experiments(write(tmp_path, of_two.replace("newer:\n", "newer:\n  dataset: films\n")))
    assert [each.is_of("shop") for each in found.values()] == [False, True]
    assert read_experiments(write(tmp_path, GOOD))["newer"].is_of("shop")


def test_the_versions_are_those_of_variants_and_shadows(tmp_path: Path) -> None:
    found = read_experiments(write(tmp_path, GOOD))
    assert [each.versions for each in found.values()] == [(7, 8), ()]


def test_an_exploration_stands_beside_the_experiments(tmp_path: Path) -> None:
    path = tmp_path / "experiments.yaml"
    assert exploration_of(path, "shop") is None
    assert exploration_of(write(tmp_path, GOOD), "shop") is None
    write(tmp_path, GOOD + "exploration: {share: 0.02, kind: swap}\n")
    assert exploration_of(path, "shop") == Exploration(share=0.02, kind=Kind.SWAP, depth=10, salt="exploration")
    assert list(read_experiments(path)) == ["newer", "popular"]
    write(tmp_path, "exploration: {share: 1, kind: slice, depth: 4, salt: pepper, dataset: shop}\n")
    assert exploration_of(path, "shop") == Exploration(
        share=1.0, kind=Kind.SLICE, depth=4, salt="pepper", dataset="shop"
    )
    assert exploration_of(path, "films") is None
    assert read_experiments(path) == {}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("{share: 2, kind: swap}", "share is 2; wanted at most 1, such as 0.02"),
        ("{share: 0, kind: swap}", "share is 0; wanted a number above 0"),
        ("{share: 0.1, kind: shuffle}", "no kind 'shuffle'"),
        ("{share: 0.1, kind: [swap]}", "no kind"),
        ("{share: 0.1}", "missing kind; wanted share, kind"),
        ("{share: 0.1, kind: swap, depth: 1}", "depth is 1; wanted 2 to 100 positions"),
        ("{share: 0.1, kind: swap, depth: 101}", "depth is 101; wanted 2 to 100 positions"),
        ("{share: 0.1, kind: swap, start: 2026-06-01}", "no key 'start'"),
        ("{variants: {a: champion}}", "has variants, and this name is kept for a randomised share"),
        ("0.02", "got 0.02; wanted keys with values"),
    ],
)
def test_an_exploration_that_cannot_be_used_is_refused(tmp_path: Path, given: str, error: str) -> None:
    with pytest.raises(InputError, match=f"exploration.*{re.escape(error)}"):
        exploration_of(write(tmp_path, f"exploration: {given}\n"), "shop")
