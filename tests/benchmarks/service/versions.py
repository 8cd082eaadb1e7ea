"""Whether an answer is of the version that it names: by the scores of that version, computed in another process.

A version is never mixed into another: each item of an answer has the score that this
version gives it for this user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feature_repo.store.sqlite_online import open_store
from serving.index.base import Fields
from serving.release.collection import open_served_index
from serving.release.load import Release
from serving.retriever import Retriever
from serving.settings import Settings

DEPTH = 200
"""Items whose scores are known, of each user and version."""
TOLERANCE = 1e-4


class VersionScores:
    """Scores of the best items for some users, by version.

    SystemExit if two versions give a user scores that cannot be told apart.

    Args:
        settings: the home.
        dataset: name of the dataset.
        versions: the versions.
        users: the users.
    """

    def __init__(self, settings: Settings, dataset: str, versions: Sequence[int], users: Sequence[str]) -> None:
        self._scores = {version: _scores(settings, dataset, version, users) for version in versions}
        first, second = (self._scores[version] for version in versions)
        if same := [user for user in users if _agrees(first[user], second[user])]:
            raise SystemExit(f"versions {versions} score the items of {same[0]} alike: wanted two that differ")

    def problem(self, told: dict[str, Any]) -> str | None:
        """What is wrong with the body of an answer to one user or to many; None for nothing."""
        answers = told.get("answers", [told])
        versions = {told["version"], *(answer["version"] for answer in answers)}
        if len(versions) > 1:
            return f"one answer names the versions {sorted(versions)}"
        for answer in answers:
            if "degraded" in answer["flags"]:  # by no version, and says so
                continue
            found = {item["item_id"]: item["score"] for item in answer["items"]}
            if answer["source"] != "two_tower" or not found:
                return f"version {answer['version']} gave {answer['user_id']} {len(found)} items of {answer['source']}"
            if not _agrees(found, self._scores[answer["version"]][answer["user_id"]]):
                return f"the items of {answer['user_id']} do not have the scores of version {answer['version']}"
        return None


def _agrees(found: dict[str, float], known: dict[str, float]) -> bool:
    return all(abs(score - known.get(item, float("inf"))) <= TOLERANCE for item, score in found.items())


def _scores(settings: Settings, dataset: str, version: int, users: Sequence[str]) -> dict[str, dict[str, float]]:
    """Scores by user and item."""
    release = Release.load(settings, dataset, version, quick_start=True)
    store = open_store(release.schema, settings.feast_home, online=settings.online_store)
    with open_served_index(settings, release.manifest, Fields.of(release.schema)) as index:
        rows = Retriever(release, store, index).recommend_all(users, min(DEPTH, release.manifest.item_count))
    return {user: dict(group.select("item_id", "score").iter_rows()) for (user,), group in rows.group_by("user_id")}
