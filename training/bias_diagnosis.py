"""Report on the bias of the impressions that a training learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from training.artifacts.bias import BiasReport
from training.data.answers import Answers
from training.data.training_set import TrainingSet
from training.diagnostics.convergence import convergence
from training.diagnostics.diagnosis import diagnose
from training.recipes import TrainConfig
from training.recipes.impressions import POSITION
from training.towers import TwoTower
from training.towers.clicks.biased import BiasedClicks
from training.trainer.bias_refit import refit_gain
from training.trainer.embedding import embedding_of


def bias_report(
    answers: Answers | Callable[[], Answers],
    data: TrainingSet,
    model: TwoTower,
    config: TrainConfig,
    moved: float,
    *,
    seed: int,
) -> BiasReport:
    """Say whether a bias model is advised, and whether the trained one converged.

    Args:
        answers: answers of the training part, or what builds them for a recipe without.
        data: training set.
        model: trained towers.
        config: the recipe.
        moved: change of the bias tower in the last epoch, see `diagnostics.convergence`.
        seed: random seed of resamples.
    """
    if not isinstance(answers, Answers):
        try:
            answers = answers()
        except ValueError as error:  # no impression of the training part can be read, and nothing was learned from one
            return BiasReport(model=None, outcome=None, reasons=(str(error),))
    found = _diagnosed(answers, data, seed)
    if config.impressions is None or config.impressions.bias is None:
        return found
    left = refit_gain(model, data, embedding_of(config, model.device), seed=seed)
    judged = convergence(moved, left)
    return replace(
        found,
        model=repr(config.impressions.bias),
        converged=judged.converged,
        convergence=judged.reason,
        values=position_values(model, answers),
    )


def _diagnosed(answers: Answers, data: TrainingSet, seed: int) -> BiasReport:
    """What the log says, without a model."""
    account = tuple(answers.account.lines())
    if POSITION not in answers.slates.names:
        reasons = ("the impressions have no position, so that its effect on clicks cannot be seen",)
        return BiasReport(model=None, outcome=None, reasons=reasons, impressions=account)
    diagnosis = diagnose(answers.slates, seed=seed, user_S=data.user_Q[answers.slates.query_S])
    return BiasReport(
        model=None,
        outcome=diagnosis.outcome.value,
        reasons=diagnosis.reasons,
        numbers=diagnosis.evidence.numbers,
        impressions=account,
    )


def position_values(model: TwoTower, answers: Answers) -> dict[str, float]:
    """Learned log-odds of each position beside those of the first, by the position's name.

    Args:
        model: trained towers.
        answers: answers of the training part, which name the positions.
    """
    clicks, names = model.clicks, answers.surroundings.names
    if not isinstance(clicks, BiasedClicks) or POSITION not in names:
        return {}
    column = names.index(POSITION)
    if column not in clicks.bias.columns:
        return {}
    with torch.no_grad():
        value_VW = clicks.bias.values(column).cpu().numpy()
    if value_VW.shape[1] != 1 or not len(value_VW):
        return {}
    labels = answers.surroundings.of(POSITION)[1:]
    return dict(zip(labels, (value_VW[:, 0] - value_VW[0, 0]).tolist(), strict=True))
