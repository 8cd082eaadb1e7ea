"""Configuration of one training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.recipes.impressions import ImpressionTask
from training.recipes.objective import Cosine, Loss, MLPReranker, RepeatTerm, ScoreConfig, SelfSupervised
from training.recipes.optimisation import Optimisation
from training.recipes.policy import PolicyGradient
from training.recipes.sampling import Corpus, InBatch, Mixed, Negatives, Uniform
from training.recipes.towers import BehaviouralVectors, TowerConfig
from training.recipes.validation import positive
from training.recipes.weighting import Weighting


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run: the towers, their objective and their optimisation."""

    dim: int = 128
    """Dimension of the embeddings."""
    prefixes: tuple[int, ...] = ()
    """Smaller dimensions whose first coordinates are trained to serve alone
    (Matryoshka)."""
    tower: TowerConfig = field(default_factory=TowerConfig)
    """Both towers."""
    score: ScoreConfig = field(default_factory=Cosine)
    """Comparison of a user's vector with an item's."""
    loss: Loss = field(default_factory=Loss)
    """Loss of the scores."""
    negatives: Negatives = field(default_factory=Negatives)
    """Source of negatives, their correction, and the hidden ones."""
    weighting: Weighting = field(default_factory=Weighting)
    """Weight of each interaction in the loss."""
    strata: bool = True
    """Whether a positive outside its user's history is ranked only against items
    outside it."""
    repeat: RepeatTerm | None = None
    """Repeat head, which ranks the items of a user's history exactly; None for none."""
    reranker: MLPReranker | None = None
    """Reranker of the best items of the index; None for the order of the index."""
    prior: bool = False
    """Whether a term of the item and the moment alone is added to the score: what is
    taken more just now ranks higher."""
    optimisation: Optimisation = field(default_factory=Optimisation)
    """Batches, rates and early stopping."""
    self_supervised: SelfSupervised | None = None
    """Loss of items alone, added to that of interactions; None for none."""
    impressions: ImpressionTask | None = None
    """Clicks of what was shown, learned beside retrieval; None for none."""
    policy: PolicyGradient | None = None
    """Policy gradient of the users' later rewards, in place of the loss; None for none."""
    behavioural: BehaviouralVectors | None = None
    """Latent factors of the training part as features of both towers; None for none."""
    leave_out: tuple[str, ...] = ()
    """Features that the towers do not see."""

    def __post_init__(self) -> None:
        positive(self, dim=self.dim)
        if any(not 0 < prefix < self.dim for prefix in self.prefixes):
            raise ValueError(f"prefixes are dimensions below dim = {self.dim}, got {self.prefixes}")
        self.loss.refuse(self.score, self.negatives)
        if self.repeat:
            self._refuse_what_hides_repeats()
        if self.prior:
            self._refuse_beside_prior()
        if self.impressions:
            self._refuse_beside_impressions()
        if self.policy:
            self._refuse_beside_policy()
        if self.reranker and self.loss.name != "softmax":
            raise ValueError(
                "a reranker is trained by the softmax of the towers' score plus its own, but the towers are "
                f"trained by {self.loss.name!r}: use Loss('softmax'), or leave reranker out"
            )

    def _refuse_beside_impressions(self) -> None:
        """Raise ValueError for options that clicks of impressions exclude."""
        assert self.impressions is not None
        if self.prefixes:
            raise ValueError("clicks of impressions train whole embeddings, not their prefixes: leave one out")
        if self.impressions.weight < 1:
            return
        beside = [name for name in ("repeat", "reranker", "prefixes", "policy") if getattr(self, name)]
        if beside:
            raise ValueError(
                f"impressions.weight = 1 leaves the loss of retrieval out, and {', '.join(beside)} rests on it: lower "
                "the weight, or leave these out"
            )

    def _refuse_beside_prior(self) -> None:
        """Raise ValueError for options that exclude an item prior."""
        beside = [name for name in ("repeat", "reranker", "prefixes") if getattr(self, name)]
        if beside:
            raise ValueError(
                f"prior changes the towers' scores after the training, and {', '.join(beside)} rests on them as they "
                "were: leave one out"
            )
        if self.optimisation.patience is None:
            raise ValueError(
                "prior is learned on the window of a trial, and without patience there is none: set "
                "optimisation.patience, or leave prior out"
            )

    def _refuse_beside_policy(self) -> None:
        """Raise ValueError for options that exclude a policy gradient."""
        beside = [name for name in ("repeat", "reranker", "prior", "impressions") if getattr(self, name)]
        if beside:
            raise ValueError(
                f"policy trains the towers for later rewards, and {', '.join(beside)} would learn the next click "
                "beside them: leave one out"
            )
        if self.loss != Loss():
            raise ValueError(f"policy takes the place of the loss, but the recipe has {self.loss}: leave one out")
        if self.strata:
            raise ValueError(
                "policy is a softmax over all items, and strata ranks a discovery apart from the history: set "
                "strata=False"
            )
        if self.weighting.reward:
            raise ValueError(
                "policy weighs interactions by their returns, and weighting.reward by their values: leave "
                "weighting.reward out, and use PolicyGradient(reward='value') to count values"
            )
        if self.optimisation.patience is not None:
            raise ValueError(
                "policy is trained for later rewards, and early stopping follows the recall of next clicks: set "
                "optimisation.patience=None and the number of epochs"
            )
        self._refuse_what_biases_a_policy()

    def _refuse_what_biases_a_policy(self) -> None:
        """Raise ValueError for negatives from which no probability over the corpus follows."""
        negatives = self.negatives
        if not isinstance(negatives.sampler, Corpus | Uniform | Mixed):
            raise ValueError(
                f"policy gives every item of the corpus a probability, and {negatives.sampler} never draws items "
                "without interactions: use Corpus(), which is exact, or Uniform() or Mixed(), which estimate the sum"
            )
        beside = [name for name in ("hard", "memory", "hide_known") if getattr(negatives, name)]
        if beside:
            raise ValueError(
                f"policy estimates the sum over the corpus from drawn columns, and {', '.join(beside)} has others: "
                f"leave negatives.{beside[0]} out"
            )

    def _refuse_what_hides_repeats(self) -> None:
        """Raise ValueError for options that exclude a repeat head."""
        if not self.strata:
            raise ValueError(
                "repeat ranks a user's history apart from other items, and without strata the towers do not: leave "
                "strata on, or repeat out"
            )
        if self.negatives.hide_known:
            raise ValueError(
                "hide_known takes a user's known items out of the ranking, and repeat learns to rank just these: "
                "leave one out"
            )
        if self.reranker:
            raise ValueError(
                "repeat sets its level against the towers' scores of all other items, and a reranker changes these: "
                "leave one out"
            )
        if self.loss.name != "softmax":
            raise ValueError(
                f"repeat ranks history items exactly and all others by a corrected sample, as softmax does; "
                f"got the loss {self.loss.name!r}: use Loss('softmax'), or leave repeat out"
            )
        if not isinstance(self.negatives.sampler, InBatch | Mixed | Corpus):
            raise ValueError(
                f"with repeat, the sample that stands for all items outside a history must hold the positives there, "
                f"and {self.negatives.sampler} draws its sample apart from the positives: use InBatch(), "
                "Mixed() or Corpus(), or leave repeat out"
            )

    @property
    def whole_corpus(self) -> bool:
        """Whether every item passes the item tower in every step."""
        return isinstance(self.negatives.sampler, Corpus)
