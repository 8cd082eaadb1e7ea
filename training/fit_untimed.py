"""Towers from interactions without timestamps."""

from __future__ import annotations

from training.data.untimed import UntimedInteractions, _inputs
from training.recipes import TrainConfig
from training.towers import TwoTower, codes_of, new_model
from training.trainer import OnEpoch, Validate, no_report, train


def fit_untimed(
    pairs: UntimedInteractions,
    config: TrainConfig,
    *,
    seed: int,
    epochs: int | None = None,
    validate: Validate | None = None,
    on_epoch: OnEpoch = no_report,
    device: str = "cpu",
) -> tuple[TwoTower, list[dict[str, float]]]:
    """Towers trained on interactions without timestamps.

    Args:
        pairs: the interactions.
        config: the recipe.
        seed: random seed.
        epochs: number of epochs; None for that of the recipe.
        validate: measures the towers after each epoch; None for no early stopping.
        on_epoch: called with each epoch's number and metrics.
        device: torch device.

    Returns:
        The towers, and one dict of metrics an epoch.
    """
    model = new_model(
        pairs.user_inputs(config.leave_out),
        _inputs(pairs.item_encoder, config.leave_out),
        codes_of(pairs.item_encoder, pairs.item_N),
        config,
        seed=seed,
    )
    history = train(
        pairs.training_set(config.leave_out, user_balance=config.weighting.user_balance),
        model,
        config,
        seed=seed,
        epochs=epochs,
        validate=validate,
        on_epoch=on_epoch,
        device=device,
    )
    return model, history
