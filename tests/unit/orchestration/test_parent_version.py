"""Which releases an update or a warm start may start from."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from feature_repo.errors import InputError
from orchestration.asset_values import Source
from orchestration.parent_version import (
    _differences,
    _refuse_update,
    _refuse_update_of_objective,
    _refuse_warm_start,
)
from training.recipes import Corpus, Negatives, Optimisation, PolicyGradient, TrainConfig, base, with_statistics

CUT, DAY = datetime(2024, 3, 1), timedelta(days=1)
SOURCE = Source(dataset="shop", folder=Path(), sha256="", as_of=CUT, validation_start=CUT - 7 * DAY, cut=CUT)
SCHEMA: Any = SimpleNamespace(digest="same")


def manifest(cut: datetime, digest: str = "same") -> Any:
    return SimpleNamespace(version=4, cut=cut, schema_digest=digest)


def test_an_update_needs_events_after_the_release() -> None:
    _refuse_update(manifest(CUT - DAY), SOURCE, SCHEMA, [], "base")
    for cut in (CUT, CUT + DAY):
        with pytest.raises(InputError, match="no event is left"):
            _refuse_update(manifest(cut), SOURCE, SCHEMA, [], "base")


def test_an_update_keeps_schema_and_recipe() -> None:
    with pytest.raises(InputError, match="another feature schema"):
        _refuse_update(manifest(CUT - DAY, "other"), SOURCE, SCHEMA, [], "base")
    different = _differences(base(), with_statistics())
    assert {"leave_out", "repeat"} <= set(different)
    assert _differences(base(), base()) == []
    with pytest.raises(InputError, match="they differ in"):
        _refuse_update(manifest(CUT - DAY), SOURCE, SCHEMA, different, "with_statistics")


def test_an_update_does_not_train_for_reward() -> None:
    _refuse_update_of_objective(base(), "base")
    policy, alone = PolicyGradient(k=5), Optimisation(patience=None)
    config = TrainConfig(policy=policy, strata=False, negatives=Negatives(sampler=Corpus()), optimisation=alone)
    with pytest.raises(InputError, match=r"'rewarded' trains for later rewards, .* Retrain"):
        _refuse_update_of_objective(config, "rewarded")


def test_a_warm_start_has_not_seen_the_validation_window() -> None:
    _refuse_warm_start(manifest(SOURCE.validation_start), SOURCE)
    with pytest.raises(InputError, match="would flatter it"):
        _refuse_warm_start(manifest(SOURCE.validation_start + DAY), SOURCE)
