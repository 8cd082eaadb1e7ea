"""Rules on the log: its clock, its days, its duplicates and its history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from orchestration.data_page.finding import Finding
from orchestration.data_page.log import total
from orchestration.data_page.profile import Profile

AHEAD = timedelta(days=7)
"""Move of the log's end that a weekly export makes; more is asked, unless as much time passed."""
LATE = timedelta(days=2)
"""Delay by which one export may be fresher than the last."""
BACK = timedelta(days=1)
"""Move back that a correction of the last day makes."""
FAR, FEW, GAPPY = timedelta(days=30), 0.01, 0.1
"""A month ahead, under 1 % of the events and a tenth of the days filled: a wrong clock wrote these."""
CLOSED = timedelta(days=3)
"""Days by which the start of a moving window may move further than its end: shops are closed."""
USUAL_WEEKDAY, WEEKS = 0.9, 4
"""A weekday that had events in nine of ten weeks, at least four, is one on which events are expected."""
SPIKE, SPIKE_EVENTS, SPIKE_DAYS = 10, 100, 28
"""Ten times the median day of the last four weeks: no sale or holiday of the shops that we know
makes so many. Under 100 events, ten times is chance."""
COPIES_MORE, COPIES_FAIL = 0.05, 0.3
"""Rise of the share of exact duplicates: a whole export twice makes it a half, a day of a
month's twice 3 %. Under 5 points it is how people shop; over 30 something was loaded twice."""
COPIES_DAYS, COPIES_EVENTS = 0.2, 50
"""The same for the new days alone, which are few; under 50 events it is chance."""
LOST, LOST_FAIL = 0.01, 0.2
"""Share of the events of former days that is gone: corrections take less than 1 %, and a
deleted user what the heaviest had; a fifth is neither."""
SHOWN_DAYS = 5


def clock(new: Profile, old: Profile) -> Iterator[Finding]:
    """Log whose end moved far ahead, or back."""
    moved, allowed = new.last - old.last, max(AHEAD, new.now - old.now + LATE)
    ends = f"the log ends at {new.last:%Y-%m-%d %H:%M}, that of the last version at {old.last:%Y-%m-%d %H:%M}"
    if moved < -BACK:
        yield Finding(rule="clock", fails=False, text=f"{ends}: {(-moved).days} days back")
    if moved > allowed:
        days = new.days.filter(pl.col("day") > (old.last + allowed).date())
        share, filled = total(days["events"]) / total(new.days["events"]), days.height / moved.days
        fails = moved > FAR and share < FEW and filled < GAPPY
        what = f"{moved.days} days ahead; {share:.1%} of the events lie more than {allowed.days} days ahead"
        yield Finding(rule="clock", fails=fails, text=f"{ends}: {what}; did a wrong clock write them?")


def empty_days(new: Profile, old: Profile) -> Iterator[Finding]:
    """Days without an event, on weekdays that always had some."""
    if new.last <= old.last or any(clock(new, old)):
        return
    usual = _usual_weekdays(old.days["day"])
    between = pl.date_range(old.last.date(), new.last.date(), "1d", closed="none", eager=True)
    empty = between.filter(between.dt.weekday().is_in(usual) & ~between.is_in(new.days["day"].implode()))
    if len(empty):
        yield Finding(rule="empty days", fails=False, text=f"{len(empty):,} days without an event: {_listed(empty)}")


def spikes(new: Profile, old: Profile) -> Iterator[Finding]:
    """Days with many times the events of a usual day."""
    usual = float(np.median(old.days.tail(SPIKE_DAYS)["events"]))
    high = _new_days(new, old).filter(pl.col("events") >= max(SPIKE * usual, SPIKE_EVENTS))
    for day, events in high.select("day", "events").head(SHOWN_DAYS).iter_rows():
        text = f"{day} has {events:,} events, a usual day {usual:,.0f}"
        yield Finding(rule="spikes", fails=False, text=text)


def duplicates(new: Profile, old: Profile) -> Iterator[Finding]:
    """Exact duplicates, where they are more than before: an export that was loaded twice."""
    before, after, days = _copies(old.days), _copies(new.days), _new_days(new, old)
    recent = _copies(days) if total(days["events"]) >= COPIES_EVENTS else 0.0
    if after - before > COPIES_MORE or recent - before > COPIES_DAYS:
        worst = new.days.sort("copies", descending=True).filter(pl.col("copies") > 0)["day"]
        text = (
            f"{after:.1%} of the events equal another one in every column, of the new days {recent:.1%}; in the last "
            f"version's data {before:.1%}; most on {_listed(worst)}: was an export loaded twice?"
        )
        yield Finding(rule="duplicates", fails=max(after, recent) - before > COPIES_FAIL, text=text)


def history(new: Profile, old: Profile) -> Iterator[Finding]:
    """Fewer events of days that were already there."""
    # The last day of the former log had not ended, and a window that moves with time
    # begins within a day.
    start = new.first.date() + timedelta(days=1) if _rolls(new, old) else old.first.date()
    former = old.days.filter(pl.col("day").is_between(start, old.last.date(), closed="left"))
    both = former.join(new.days, on="day", how="left").with_columns(pl.col("events_right").fill_null(0))
    gone = both.filter(pl.col("events_right") < pl.col("events"))
    lost, there = total(gone["events"] - gone["events_right"]), total(former["events"])
    if lost > max(LOST * there, old.per_user["most"]):
        read = [profile.tables["events"].reading for profile in (new, old)]
        # What the description leaves out is still in the files.
        chosen = all(read) and read[0].rows >= read[1].rows  # type: ignore[union-attr]
        text = f"{lost:,} of {there:,} events ({lost / there:.1%}) are gone on days that were already there, such as "
        text += _listed(gone["day"]) + ("; the files have as many rows as before" if chosen else "")
        yield Finding(rule="history", fails=lost > LOST_FAIL * there and not chosen, text=text)


def _rolls(new: Profile, old: Profile) -> bool:
    """Whether the log is a window whose start moved no further than its end."""
    return timedelta() < new.first - old.first <= new.last - old.last + CLOSED


def _new_days(new: Profile, old: Profile) -> pl.DataFrame:
    return new.days.filter(pl.col("day") > old.last.date())


def _copies(days: pl.DataFrame) -> float:
    return total(days["copies"]) / max(total(days["events"]), 1)


def _usual_weekdays(days: pl.Series) -> list[int]:
    """Weekdays on which events are expected."""
    first, last = days.min(), days.max()
    assert isinstance(first, date) and isinstance(last, date)
    every = pl.date_range(first, last, "1d", eager=True).dt.weekday().value_counts()
    had = days.dt.weekday().value_counts(name="had")
    both = every.rename({every.columns[0]: "weekday"}).join(had.rename({had.columns[0]: "weekday"}), on="weekday")
    usual = both.filter((pl.col("had") >= WEEKS) & (pl.col("had") >= USUAL_WEEKDAY * pl.col("count")))
    return usual["weekday"].to_list()


def _listed(days: pl.Series) -> str:
    shown = ", ".join(map(str, days.head(SHOWN_DAYS)))
    return shown + (", ..." if len(days) > SHOWN_DAYS else "")


LOG_RULES = (clock, empty_days, spikes, duplicates, history)
