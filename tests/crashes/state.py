"""What a home holds, as far as a kill may change it."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestration.doctor import examine
from orchestration.local.leftovers import leftovers
from serving.index.stored_names import stored_names
from serving.registry.sqlite import open_registry
from serving.release.history import served
from serving.release.manifest import alias_name
from serving.settings import Settings
from tests.crashes.scenario import Answers, State


def state_of(settings: Settings, dataset: str, answers: Answers) -> State:
    """State of a dataset in a home.

    Args:
        settings: the home.
        dataset: name of the dataset.
        answers: what its champion answers.
    """
    registry = open_registry(settings, dataset)
    listing, stored = registry.listing(), stored_names(settings, [alias_name(dataset)])
    return State(
        champion=registry.champion(),
        answers=answers,
        history=list(served(registry)),
        versions={str(each.version): each.outcome for each in listing.versions},
        interrupted=sorted(listing.interrupted),
        collections=sorted(stored.collections),
        mirror=stored.aliases.get(alias_name(dataset)),
        leftovers=[str(path.relative_to(settings.home)) for path in leftovers(settings)],
        findings=[each.problem for each in examine(settings, datetime.now(UTC))],
    )
