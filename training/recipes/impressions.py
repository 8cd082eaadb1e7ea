"""Impressions in a recipe: the task beside retrieval, and weights against who was shown what and looks where."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from feature_repo.errors import InputError
from training.recipes.bias_models import POSITION, BiasModel, Mixture, PositionFeature
from training.recipes.validation import at_least_one, positive, shares

Source = Literal["harvested", "randomised"]
"""Comparisons that tell who looks where, see `InverseExamination.source`."""


@dataclass(frozen=True, kw_only=True)
class InversePropensity:
    """Weight 1 / max(p, clip) of an impression that was shown with probability p.

    Each step divides by the sum of its weights [self-normalised: Swaminathan and
    Joachims, NeurIPS 2015].
    """

    clip: float = 0.05
    """Least propensity that counts: rarer ones would give single rows most of the weight."""
    least_effective: float = 0.01
    """Least effective share of the impressions, (Σw)² / (n Σw²); below, training is refused."""

    def __post_init__(self) -> None:
        if not 0 < self.clip <= 1:
            raise ValueError(f"InversePropensity.clip is a probability above 0, at most 1; got {self.clip}")
        shares(self, least_effective=self.least_effective)


@dataclass(frozen=True, kw_only=True)
class InverseExamination:
    """Label c / max(p, clip) of an impression with click c that was looked at with probability p.

        loss of an impression = c/p · l(1) + (1 − c/p) · l(0)

    Its mean over who looks is the loss of the relevance, whatever p is. p is estimated
    from the log before the training, relative to the first position: relevance is then
    the probability of a click there. [Bekker et al., ECML PKDD 2019; Saito et al., WSDM 2020]
    """

    source: Source = "harvested"
    """Comparisons behind p: the same item and user at two positions, wherever the log has
    them [Agarwal et al., WSDM 2019], or the randomised answers alone."""
    feature: str = POSITION
    """Feature of the surroundings on which a look depends."""
    clip: float = 0.1
    """Least p that counts. A lower one varies more, a higher one leaves more of the bias."""
    least_effective: float = 0.05
    """Least effective share of the clicks, (Σw)² / (n Σw²); below, training is refused."""

    def __post_init__(self) -> None:
        if self.source not in ("harvested", "randomised"):
            raise ValueError(f"{type(self).__name__}.source must be 'harvested' or 'randomised', got {self.source!r}")
        if not 0 < self.clip <= 1:
            raise ValueError(f"{type(self).__name__}.clip is a probability above 0, at most 1; got {self.clip}")
        shares(self, least_effective=self.least_effective)


@dataclass(frozen=True, kw_only=True)
class DoublyRobustExamination(InverseExamination):
    """Label r + (c − p r) / max(p, clip): where looks are rare, predicted relevance r fills up.

    r is the clicks a look of the item among other users. `clip` can then be high: it costs
    no bias where r is right. [Oosterhuis, TOIS 2023]
    """

    clip: float = 0.3
    """Least p that is divided by. At a position that is looked at more often, the label is c / p."""
    prior_looks: float = 20.0
    """Looks at the mean of all items that each item has beside its own."""

    def __post_init__(self) -> None:
        InverseExamination.__post_init__(self)
        positive(self, prior_looks=self.prior_looks)


@dataclass(frozen=True, kw_only=True)
class ImpressionTask:
    """Clicks of impressions, learned beside retrieval by the same towers.

    loss = (1 − weight) · (retrieval + its views of items) + weight · impressions
    """

    weight: float = 0.9
    """Share of the impressions in the loss; 1 leaves retrieval out. A click or none costs a
    tenth of what the softmax's choice among hundreds does, 0.3 to 0.5 nats beside 4 to 6:
    with 0.9 the two tasks have about equal parts. Beside a pairwise loss take less."""
    calibration_rate: float = 0.02
    """Learning rate of gain and level, which make log-odds of a click from the towers'
    logit."""
    bias: BiasModel | None = None
    """Model of the bias beside the towers; None learns clicks as they are."""
    selection: InversePropensity | None = None
    """Weights against what was chosen to be shown; None for equal weights."""
    examination: InverseExamination | None = None
    """Labels against who looks where, in place of a bias model; None for clicks as labels."""
    clicks_once: bool = True
    """Whether interactions that are clicks of impressions are no positives of retrieval. Else
    they are learned twice, and what the bias model or the labels take out of them comes back
    by retrieval. Where hardly any other interaction would be left, they stay."""
    slates: int = 128
    """Answers of a step, at least. Beside retrieval a step takes as many as let an epoch
    read about all answers, up to 400,000 places of items (5,000,000 pairs of them for
    `CrossPositional`)."""

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ValueError(f"ImpressionTask.weight is a share above 0, at most 1; got {self.weight}")
        at_least_one(self, slates=self.slates)
        if self.selection and isinstance(self.bias, Mixture):
            raise ValueError(
                "Mixture tells by a whole answer's clicks which users look how, and weights of single impressions "
                "would count some of them twice: leave selection out, or use another bias"
            )
        if self.examination and self.bias:
            raise ValueError(
                f"{type(self.bias).__name__} and {type(self.examination).__name__} both take out who looks where, and "
                "together take out too much: leave bias or examination out"
            )
        positive(self, calibration_rate=self.calibration_rate)


def features_of(task: ImpressionTask) -> tuple[str, ...]:
    """Surroundings that the bias model of a task reads, or its examination."""
    if task.examination:
        return (task.examination.feature,)
    if isinstance(task.bias, PositionFeature):
        return (POSITION,)
    return task.bias.features if task.bias else ()


def check_impressions(columns: Collection[str] | None, task: ImpressionTask | None) -> None:
    """Refuse a recipe that learns from impressions which the data do not have.

    Args:
        columns: columns of the canonical impressions; None if the data have none.
        task: what the recipe learns from them; None for nothing.

    Raises:
        InputError: no impressions, or without a column that the recipe reads.
    """
    if task is None:
        return
    if columns is None:
        raise InputError(
            "the recipe learns from impressions, and the data have none: bring a table of what users were shown "
            "(`impressions` in gatehouse.yaml), post impressions to the service, or choose a recipe without them"
        )
    random_order = task.examination and task.examination.source == "randomised"
    further = {"propensity": task.selection, "randomised": random_order}
    wanted = [*features_of(task), *(name for name, asked in further.items() if asked)]
    if missing := [name for name in wanted if name not in columns]:
        raise InputError(
            f"the recipe reads {', '.join(missing)} of impressions, and the data have none: name the column under "
            "`impressions` in gatehouse.yaml, or choose a recipe without it"
        )
