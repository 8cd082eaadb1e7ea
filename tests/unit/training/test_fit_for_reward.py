"""Training for reward from joined frames: what it learns from, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import torch

from feature_repo.errors import InputError
from tests.unit.training.fit_world import CONFIG, CUT, VALIDATION, fitted, frames
from training.data.interactions import interactions
from training.recipes import SALES, Corpus, Negatives, PolicyGradient
from training.untrained import start_trial
from training.update import fit_update

PLAIN = replace(
    CONFIG, strata=False, leave_out=SALES, negatives=Negatives(sampler=Corpus()),
    optimisation=replace(CONFIG.optimisation, patience=None, epochs=2),
)  # fmt: skip
REWARD = replace(PLAIN, policy=PolicyGradient(k=10, horizon_days=7))
HORIZON = timedelta(days=7)


def test_a_fit_learns_of_interactions_whose_horizon_ends_before_the_cut_and_says_how_many() -> None:
    whole = frames()[3].filter(pl.col("timestamp") + HORIZON <= CUT)
    assert 0.8 < whole.height / frames()[3].height < 0.95
    for epoch in fitted(0, REWARD).epochs:
        assert epoch["policy/interactions"] == whole.height
    plain, rewarded = fitted(0, PLAIN), fitted(0, REWARD)
    # Items of the newest days keep their ids; only the loss leaves them out.
    assert rewarded.item_encoder.vocabularies == plain.item_encoder.vocabularies
    assert rewarded.model.state_dict().keys() == plain.model.state_dict().keys()
    assert not torch.equal(rewarded.model.item.vectors.ids.weight, plain.model.item.vectors.ids.weight)
    assert not any(name.startswith("policy/") for epoch in plain.epochs for name in epoch)


def test_a_trial_s_horizons_end_before_its_own_end() -> None:
    tables, queries, items, _ = frames()
    _, data, _ = start_trial(tables.schema, queries, items, tables.events, VALIDATION, CUT, REWARD, seed=0)
    before = interactions(tables.events, VALIDATION)
    assert data.return_I is not None
    assert len(data.return_I) == before.filter(pl.col("timestamp") + HORIZON <= VALIDATION).height
    assert data.return_I.mean() == pytest.approx(1.0, rel=1e-5)


def test_a_release_trained_for_reward_is_not_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.update.read_release", lambda folder: SimpleNamespace(config=REWARD, folder=folder))
    tables, queries, items, positives = frames()
    with pytest.raises(InputError, match=r"was trained for later rewards, .* train in full"):
        fit_update(
            Path("release"), queries=queries, item_snapshots=items, positives=positives, events=tables.events,
            since=VALIDATION, cut=CUT, seed=0, granularity="day", on_epoch=lambda epoch, metrics: None,
        )  # fmt: skip
