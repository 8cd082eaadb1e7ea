"""A verdict that holds, that a person has overridden, and that does not hold."""

from __future__ import annotations

import pytest

from orchestration import verification
from orchestration.verification import HELD, NOT_HERE, is_good, verify_version
from serving.registry import OUTCOME, OVERRIDE
from serving.release.manifest import ReleaseError
from serving.settings import Settings


@pytest.mark.parametrize(
    ("tags", "said", "good"),
    [
        ({OUTCOME: "passed"}, HELD, True),
        ({OUTCOME: "failed", OVERRIDE: "the old index\nis lost"}, "holds by an override: the old index is lost", True),
        ({OUTCOME: "failed"}, "neither passed nor overridden: it may not serve", False),
        ({}, "neither passed nor overridden: it may not serve", False),
    ],
)
def test_a_verdict_says_by_whom_it_holds(
    monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], said: str, good: bool
) -> None:
    class Tagged:
        def __init__(self, *_: object) -> None: ...

        def tags(self, version: int) -> dict[str, str]:
            return tags

    def unsealed(*_: object) -> None:
        raise ReleaseError("no manifest")

    monkeypatch.setattr(verification, "Registry", Tagged)
    monkeypatch.setattr(verification, "read", unsealed)
    found = verify_version(Settings.from_environment({}), "shop", 3)
    assert found == {"verdict": said, "manifest": "no manifest"}
    assert (is_good(found["verdict"]), is_good(found["manifest"]), is_good(NOT_HERE)) == (good, False, True)
