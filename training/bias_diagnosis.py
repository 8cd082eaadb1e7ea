"""Report on the bias of the impressions that a training learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from feature_repo.tables.outcomes import shown_before
from training.artifacts.bias import BiasReport
from training.clicked_answers import ImpressionLog
from training.data.answers import Answers
from training.data.click_labels import click_labels, impression_weights
from training.data.retrieved import account
from training.data.slates import Slates
from training.data.surroundings import Surroundings
from training.data.training_set import TrainingSet
from training.diagnostics.convergence import convergence
from training.diagnostics.diagnosis import Outcome, diagnose
from training.diagnostics.evidence import Evidence
from training.diagnostics.weighting import weighting_effect
from training.recipes import TrainConfig
from training.recipes.bias_models import POSITION
from training.recipes.impressions import features_of
from training.towers import TwoTower
from training.towers.clicks.biased import BiasedClicks
from training.trainer.bias_refit import refit_gain
from training.trainer.embedding import embedding_of

WORST = (Outcome.NOT_IDENTIFIABLE, Outcome.ADVISED, Outcome.NOT_NEEDED)
"""Outcomes of several features, from the one that counts for all."""
MOST_REPORTED = 500_000
"""Newest impressions that the report of a recipe without impressions reads: enough to tell, and bounded."""


def diagnosed(log: ImpressionLog, answers: Answers | None, config: TrainConfig, *, seed: int) -> BiasReport:
    """Say whether the log shows a bias, and whether it can be learned from it.

    Every feature of the recipe's bias is asked for, among impressions that are alike in the
    others, and the worst outcome counts; without a bias model, the position is. Labels over
    examination are judged by the comparisons that they are made of.

    Args:
        log: impressions of the training part.
        answers: what the recipe learns from; None for a recipe without impressions.
        config: the recipe.
        seed: random seed of resamples.
    """
    if answers is None:
        newest = shown_before(log.impressions, log.until).tail(MOST_REPORTED)
        try:
            answers = replace(log, impressions=newest).answers()
        except ValueError as error:  # no impression of the training part can be read, and nothing is learned from one
            return BiasReport(model=None, outcome=None, reasons=(str(error),))
    names = (features_of(config.impressions) if config.impressions else ()) or (POSITION,)
    lines = [*answers.account.lines(), *([account(log.positives, config.impressions)] if config.impressions else [])]
    found = BiasReport(model=None, outcome=None, reasons=(), impressions=tuple(lines))
    if missing := [name for name in names if name not in answers.slates.names]:
        reason = f"the impressions have no {', '.join(missing)}, so that its effect on clicks cannot be seen"
        return replace(found, reasons=(reason,))
    labels = config.impressions.examination if config.impressions else None
    source = labels.source if labels else None
    each = [
        diagnose(
            answers.slates, seed=seed, user_S=answers.user_S, name=name, within=[own for own in names if own != name],
            source=source,
        )
        for name in names
    ]  # fmt: skip
    each.sort(key=lambda diagnosis: WORST.index(diagnosis.outcome))
    numbers = {
        name if diagnosis.evidence.name == POSITION else f"{diagnosis.evidence.name}/{name}": value
        for diagnosis in each
        for name, value in diagnosis.evidence.numbers.items()
    }
    reasons = tuple(reason for diagnosis in each for reason in diagnosis.reasons)
    unasked = answers.account.randomised if source == "harvested" else None
    if unasked and each[0].outcome is Outcome.NOT_IDENTIFIABLE:
        reasons += (f"{unasked:,} answers stand in random order, which source='randomised' asks alone",)
    examination = {
        diagnosis.evidence.name: examined(diagnosis.evidence, answers.surroundings)
        for diagnosis in each
        if diagnosis.evidence.examination
    }
    outcome = each[0].outcome.value
    found = replace(found, outcome=outcome, reasons=reasons, numbers=numbers, examination=examination)
    return _with_weighting(found, answers.slates, answers.user_S, config, names[0])


def examined(evidence: Evidence, surroundings: Surroundings) -> dict[str, tuple[float, float, float]]:
    """Looks at each place beside the first one, and the ends of a 95 % interval; only what is known.

    Args:
        evidence: what a log says of one surrounding.
        surroundings: what its codes stand for.

    Returns:
        Estimates by the place's name.
    """
    found = evidence.examination
    assert found is not None
    names = [surroundings.of(evidence.name)[code] for code in found.code_K]
    looks_K3 = np.column_stack([found.relative_K, found.interval_K2()])
    known = np.isfinite(looks_K3).all(axis=1)
    return {
        name: (float(look), float(low), float(high))
        for name, (look, low, high), is_known in zip(names, looks_K3, known, strict=True)
        if is_known
    }


def _with_weighting(
    found: BiasReport, slates: Slates, user_S: np.ndarray, config: TrainConfig, name: str
) -> BiasReport:
    """Add to a report what the weights of the recipe make of the log.

    Args:
        found: what the log says.
        slates: answers of the training part.
        user_S: user of each answer.
        config: the recipe.
        name: the surrounding by which click rates are compared.
    """
    task = config.impressions
    if task is None or not (task.selection or task.examination):
        return found
    labels = click_labels(slates, task, user_S)
    effect = weighting_effect(slates, labels.weight_SL, label_SL=labels.label_SL, name=name)
    numbers = {f"weighting/{each}": value for each, value in effect.numbers.items()}
    return replace(found, weighting=effect.lines, numbers={**found.numbers, **numbers})


def with_model(
    found: BiasReport,
    answers: Answers,
    data: TrainingSet,
    model: TwoTower,
    config: TrainConfig,
    moved: float,
    *,
    seed: int,
) -> BiasReport:
    """Add to a report whether the trained bias model converged, and what it learned.

    Args:
        found: what the log says.
        answers: answers of the training part.
        data: training set.
        model: trained towers.
        config: the recipe.
        moved: change of the bias tower in the last epoch, see `diagnostics.convergence`.
        seed: random seed of the answers that it is refitted on.
    """
    task = config.impressions
    if task and task.examination:
        fixed = "its labels are made before the training, which has nothing to converge"
        return replace(found, model=repr(task.examination), converged=True, convergence=fixed)
    if task is None or task.bias is None:
        return found
    weight_SL = impression_weights(answers.slates, task)
    judged = convergence(moved, refit_gain(model, data, weight_SL, embedding_of(config, model.device), seed=seed))
    return replace(
        found,
        model=repr(task.bias),
        converged=judged.converged,
        convergence=judged.reason,
        values=position_values(model, answers),
    )


def position_values(model: TwoTower, answers: Answers) -> dict[str, float]:
    """Learned value of each position beside that of the first, by the position's name.

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
