"""Team-draft interleaving of two rankings [Radlinski et al., CIKM 2008, algorithm 2]."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from serving.experiments.assignment import uniform


@dataclass(frozen=True, kw_only=True)
class Pick:
    """Item of an interleaved answer."""

    item: str
    team: str | None
    """Variant that picked it; None for items after one ranking has ended."""


def coins(salt: str, request_id: str, user_id: str) -> Iterator[bool]:
    """Yield the coin tosses of a user's answer. The same request has the same tosses."""
    # Of the user, too: the users of one request are independent.
    for toss in count():
        yield uniform(salt, request_id, user_id, str(toss)) < 0.5


def team_draft(rankings: Mapping[str, Sequence[str]], k: int, tosses: Iterator[bool]) -> list[Pick]:
    """Interleave two rankings: in each round both variants pick, in the order of a toss.

    A variant picks its best item that is not yet in the answer.

    Args:
        rankings: items of two variants, best first.
        k: number of items.
        tosses: coin tosses, one for each round; True lets the first variant begin.

    Raises:
        ValueError: not two rankings.
    """
    if len(rankings) != 2:
        raise ValueError(f"got rankings of {', '.join(rankings) or 'no variant'}; wanted two variants")
    first, second = rankings
    picks: list[Pick] = []
    taken: set[str] = set()
    left = {team: iter(items) for team, items in rankings.items()}
    while len(picks) < k:
        order = (first, second) if next(tosses) else (second, first)
        for team in order:
            item = next((each for each in left[team] if each not in taken), None)
            if item is None:
                return picks + _rest(rankings, taken, k - len(picks))
            taken.add(item)
            picks.append(Pick(item=item, team=team))
    return picks[:k]


def _rest(rankings: Mapping[str, Sequence[str]], taken: set[str], number: int) -> list[Pick]:
    """Fill up from what is left. Clicks on it count for no team, since one cannot pick."""
    items = dict.fromkeys(item for ranking in rankings.values() for item in ranking if item not in taken)
    return [Pick(item=item, team=None) for item in list(items)[:number]]


def clicks_by_team(picks: Sequence[Pick], clicked: Collection[str]) -> dict[str, int]:
    """Count the clicked items of each team.

    Args:
        picks: the answer.
        clicked: items of the answer that the user clicked.
    """
    clicks: dict[str, int] = {}
    for pick in picks:
        if pick.team is not None:
            clicks[pick.team] = clicks.get(pick.team, 0) + (pick.item in clicked)
    return clicks
