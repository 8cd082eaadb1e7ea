"""Labels and weights of impressions in the loss of clicks.

Legend: S answers, L items of an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.data.doubly_robust import doubly_robust, item_relevance
from training.data.interventions import Examination, harvest_examination
from training.data.propensities import click_weights, effective_size, looks, selection_weights
from training.data.randomised import randomised_examination
from training.data.shown import count_shown
from training.data.slates import Slates
from training.data.surroundings import RARE
from training.recipes.impressions import DoublyRobustExamination, ImpressionTask, InverseExamination


@dataclass(frozen=True, kw_only=True, eq=False)
class ClickLabels:
    """Labels that stand for clicks, and what each impression counts."""

    label_SL: np.ndarray
    """Click, or click over the probability of a look: float32."""
    weight_SL: np.ndarray
    """Weight of the impression, 0 where no item stands or nothing is known: float32."""


def click_labels(slates: Slates, task: ImpressionTask, user_S: np.ndarray) -> ClickLabels:
    """Labels and weights of a log by a recipe.

    Args:
        slates: the log.
        task: declaration of the task.
        user_S: user of each answer.

    Raises:
        ValueError: the log lacks what the recipe reads, or too little of it stays effective.
    """
    weight_SL = impression_weights(slates, task)
    if task.examination is None:
        return ClickLabels(label_SL=slates.click_SL, weight_SL=weight_SL)
    config = task.examination
    examination = estimated(slates, config, user_S)
    of_click_SL = click_weights(slates, examination, clip=config.clip, name=config.feature)
    _refuse_too_few(of_click_SL[slates.click_SL > 0], config)
    label_SL = slates.click_SL * of_click_SL
    if isinstance(config, DoublyRobustExamination):
        look_SL = looks(slates, examination, name=config.feature)
        relevance_SL = item_relevance(slates, look_SL, user_S, prior=config.prior_looks)
        robust_SL = doubly_robust(slates.click_SL, look_SL, relevance_SL, clip=config.clip)
        label_SL = np.where(of_click_SL > 0, robust_SL, 0).astype(np.float32)
    return ClickLabels(label_SL=label_SL, weight_SL=np.where(of_click_SL > 0, weight_SL, 0).astype(np.float32))


def impression_weights(slates: Slates, task: ImpressionTask) -> np.ndarray:
    """Weight of each impression against what was shown: float32 [S, L], 0 where no item stands."""
    return selection_weights(slates, task.selection) if task.selection else slates.shown_SL.astype(np.float32)


def estimated(slates: Slates, config: InverseExamination, user_S: np.ndarray) -> Examination:
    """Examination of a log, as a recipe asks for it; its error is a question of the diagnosis.

    Args:
        slates: the log.
        config: declaration.
        user_S: user of each answer.

    Raises:
        ValueError: the log cannot tell it.
    """
    if config.source == "randomised":
        return randomised_examination(slates, user_S, name=config.feature, rarest=RARE, seed=0, resamples=0)
    shown = count_shown(slates, name=config.feature, user_S=user_S, rarest=RARE)
    return harvest_examination(shown, seed=0, resamples=0)


def _refuse_too_few(weight_P: np.ndarray, config: InverseExamination) -> None:
    """Raise ValueError where a few clicks have nearly all the weight; `weight_P` is that of each click."""
    share = effective_size(weight_P) / max(len(weight_P), 1)
    if share < config.least_effective:
        raise ValueError(
            f"weights by examination leave {share:.2%} of {len(weight_P):,} clicks effective; wanted at least "
            f"{config.least_effective:.2%}: raise {type(config).__name__}.clip (now {config.clip}) to trust rare looks "
            "less, or leave examination out of the recipe"
        )
