"""The features of a stored log are those that FEATURES_VERSION stands for."""

from __future__ import annotations

import json

from feature_repo.schema import FEATURES_VERSION, Entity, Kind
from tests.unit.feature_repo.golden import PATH, hashes, planted

RENEW = "`python -m tests.unit.feature_repo.golden`"


def test_the_features_are_those_of_their_version() -> None:
    stored, found = json.loads(PATH.read_text()), hashes()
    others = [name for name in {**stored["hashes"], **found} if stored["hashes"].get(name) != found.get(name)]
    assert not others, (
        f"outputs changed: {', '.join(others)}. Trained releases have the former ones: raise FEATURES_VERSION in "
        f"feature_repo/schema.py above {FEATURES_VERSION}, and renew the file by {RENEW}"
    )
    assert stored["features_version"] == FEATURES_VERSION, f"FEATURES_VERSION was raised: renew the file by {RENEW}"


def test_every_kind_of_feature_is_in_it() -> None:
    schema = planted().schema
    assert {feature.kind for entity in Entity for feature in schema.features_of(entity)} == set(Kind)
