"""The configuration of one training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.recipes.objective import UNIFORM, Cosine, Loss, MLPReranker, RepeatTerm, Reward, Score, SelfSupervised
from training.recipes.optimisation import Optimisation
from training.recipes.sampling import Corpus, HardNegatives, Impressions, InBatch, Mixed, Sampler, Streaming
from training.recipes.towers import BehaviouralVectors, TowerConfig

POSITIVE = ("dim", "min_count", "half_life_days", "discovery_weight")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run, composed of what the towers are, how they are compared, and how they are moved.

    dim: of the embeddings. prefixes: smaller dimensions at which the first coordinates alone must serve too
    (Matryoshka). tower, score, loss, sampler: see there. hard: negatives of each user's own, mined or shown,
    besides the sampler's. memory: so many earlier batches whose item embeddings serve as further negatives, as they
    were. hide_known: no item
    that the user is known to have taken anywhere in the training part is a negative for this user. all_negative: on the
    contrary every column is a negative of every row, its positives too. frequency: None
    counts the training part for the logQ correction; Streaming estimates it while training. strata: a positive outside
    its user's history is ranked only against items outside it. repeat: a term of its own for the items of a user's
    history, which are then all ranked exactly and beside everything else; None for none. reranker: what ranks
    the best of the index anew; None for the order of the index.
    self_supervised: a loss of items alone beside that of interactions; None for none.
    behavioural: latent factors of the training part as features of both towers; None for none. leave_out: features that
    the towers do not see. min_count: interactions below which an item gets no id of its own
    but the trained default. half_life_days: an interaction so much older counts half in the loss. discovery_weight: how
    much more a user's first interaction with an item counts than a repetition. user_balance: an interaction of one
    who has n of them counts n^-user_balance: with 0 interactions are alike, with 1 users are, as in a measure that is a
    mean over users [Covington et al., RecSys 2016, section 3.4: a fixed number of examples per user].
    reward: interactions weighted by their value; None for all alike.
    """

    dim: int = 128
    prefixes: tuple[int, ...] = ()
    tower: TowerConfig = field(default_factory=TowerConfig)
    score: Score = field(default_factory=Cosine)
    loss: Loss = field(default_factory=Loss)
    sampler: Sampler = field(default_factory=InBatch)
    hard: HardNegatives | Impressions | None = None
    memory: int = 0
    hide_known: bool = False
    all_negative: bool = False
    frequency: Streaming | None = None
    strata: bool = True
    repeat: RepeatTerm | None = None
    reranker: MLPReranker | None = None
    optimisation: Optimisation = field(default_factory=Optimisation)
    self_supervised: SelfSupervised | None = None
    behavioural: BehaviouralVectors | None = None
    leave_out: tuple[str, ...] = ()
    min_count: int = 10
    half_life_days: float = 90.0
    discovery_weight: float = 4.5
    user_balance: float = 0.0
    reward: Reward | None = None

    def __post_init__(self) -> None:
        for name in POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.user_balance <= 1:
            raise ValueError(f"user_balance is 0 for interactions alike, 1 for users alike, got {self.user_balance}")
        if any(not 0 < prefix < self.dim for prefix in self.prefixes):
            raise ValueError(f"prefixes are dimensions below dim = {self.dim}, got {self.prefixes}")
        self.loss.refuse(self.score, self.sampler)
        self._refuse_samplers_that_do_not_fit()
        if self.repeat:
            self._refuse_what_hides_repeats()
        if self.reranker and self.loss.name != "softmax":
            raise ValueError(
                "a reranker goes on where the towers end, by the softmax of their score with its own added, but they "
                f"are trained by {self.loss.name!r}: use Loss('softmax'), or leave reranker out"
            )

    def _refuse_samplers_that_do_not_fit(self) -> None:
        if self.all_negative and (self.hide_known or self.loss.name not in UNIFORM):
            raise ValueError(
                f"all_negative leaves positives among their own negatives, and {self.loss.name} with "
                f"hide_known={self.hide_known} takes them for something else: use one of {', '.join(UNIFORM)}, alone"
            )
        if self.memory < 0:
            raise ValueError(f"memory is a number of batches, got {self.memory}")
        if self.memory and not isinstance(self.sampler, InBatch):
            raise ValueError(
                f"a memory of {self.memory} batches holds items that came in batches, and {self.sampler} does not draw "
                "from these: use InBatch(), or leave memory out"
            )
        if self.frequency and not isinstance(self.sampler, InBatch | Mixed):
            raise ValueError(
                f"a streaming frequency is that of items in batches, and {self.sampler} does not draw from these: use "
                "InBatch() or Mixed(), or leave frequency out"
            )
        if self.frequency and self.memory:
            raise ValueError(
                "a streaming frequency is that of one batch, a memory needs the counted one: leave one out"
            )
        if self.hard and isinstance(self.sampler, Corpus):
            raise ValueError("with Corpus() every item is a negative already: leave hard negatives out")

    def _refuse_what_hides_repeats(self) -> None:
        if not self.strata:
            raise ValueError(
                "repeat ranks what a user had apart from what is outside, and without strata the towers do not: leave "
                "strata on, or repeat out"
            )
        if self.hide_known:
            raise ValueError(
                "hide_known takes what a user is known to take out of the ranking, and repeat learns how to rank just "
                "that: leave one out"
            )
        if self.reranker:
            raise ValueError(
                "repeat sets its level against the towers' scores of everything else, and a reranker changes these: "
                "leave one out"
            )
        if self.loss.name != "softmax":
            raise ValueError(
                f"repeat ranks the items of a history exactly and all others by a corrected sample, which is softmax; "
                f"got the loss {self.loss.name!r}: use Loss('softmax'), or leave repeat out"
            )
        if not isinstance(self.sampler, InBatch | Mixed | Corpus):
            raise ValueError(
                f"with repeat, each positive outside its history must be one of the sample that stands for all items "
                f"outside it, and {self.sampler} draws its sample apart from the positives: use InBatch(), Mixed() or "
                "Corpus(), or leave repeat out"
            )

    @property
    def whole_corpus(self) -> bool:
        """Whether every item passes the towers in every step."""
        return isinstance(self.sampler, Corpus)
