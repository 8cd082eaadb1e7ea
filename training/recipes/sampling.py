"""Sources of negatives: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.recipes.validation import at_least_one


@dataclass(frozen=True, kw_only=True)
class InBatch:
    """The items of the other interactions of the batch, which come by popularity."""


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """`number` distinct items of the corpus, each as likely, shared by all rows of a batch."""

    number: int = 1024

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number)


@dataclass(frozen=True, kw_only=True)
class Popularity:
    """Items drawn `number` times by share of interactions to the power `beta`, shared by all rows of a batch.

    beta 0 is uniform over the items that were interacted with, 1 is popularity; 0.75 is word2vec's [Mikolov et al.,
    NeurIPS 2013].
    """

    number: int = 1024
    beta: float = 0.75

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number)
        if not 0 <= self.beta <= 2:
            raise ValueError(f"beta is a power of popularity in [0, 2], got {self.beta}")


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """The items of the batch and `number` uniform ones of the corpus [Yang et al., WWW 2020].

    So the towers also see items that nobody has interacted with, and learn where not to put them.
    """

    number: int = 1024

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Every item of the corpus: the full softmax. For corpora whose items can all pass the tower in every step."""


Sampler = InBatch | Uniform | Popularity | Mixed | Corpus


@dataclass(frozen=True, kw_only=True)
class HardNegatives:
    """Besides the sampler's negatives, `number` of each user's own: items at ranks first..last of the current model's
    list, drawn anew for each batch, mined anew every `epochs` epochs. Ranks close to the top hold what the user would
    have taken, so leave them out. The user's known positives are never mined. [Huang et al., KDD 2020, section 6.1]
    """

    number: int = 4
    first: int = 101
    last: int = 500
    epochs: int = 1

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number, first=self.first, epochs=self.epochs)
        if self.last - self.first + 1 < self.number:
            raise ValueError(
                f"ranks {self.first} to {self.last} hold {max(0, self.last - self.first + 1)} items, fewer than the "
                f"{self.number} hard negatives wanted of them"
            )


@dataclass(frozen=True, kw_only=True)
class Impressions:
    """Besides the sampler's negatives, `number` of each user's own: drawn anew for each batch from the `newest` items
    that the user was shown and never took. For data with impressions only.

    They help where what is shown is near to what is wanted and not taking it says that it is not. Where users take one
    of many good items they teach the opposite: worse than random negatives in Huang et al., KDD 2020, section 6.1.
    """

    number: int = 4
    newest: int = 100

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number)
        if self.newest < self.number:
            raise ValueError(
                f"the newest {self.newest} items are fewer than the {self.number} that are drawn of them: raise "
                "newest, or lower number"
            )


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """Estimate how often an item is in a batch from the gaps between the batches that held it, in one pass.
    [Yi et al., RecSys 2019, algorithms 2 and 3]

    rate: α, weight of the newest gap. tables, size: hash tables and their rows; several of them make collisions rare.
    """

    rate: float = 0.01
    tables: int = 4
    size: int = 1 << 20

    def __post_init__(self) -> None:
        at_least_one(self, tables=self.tables, size=self.size)
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate is the weight of the newest gap, in (0, 1], got {self.rate}")


@dataclass(frozen=True, kw_only=True)
class Negatives:
    """Negatives of each interaction: their source, their correction, and what is hidden of them."""

    sampler: Sampler = field(default_factory=InBatch)
    """Source of the columns that all rows of a batch share."""
    hard: HardNegatives | Impressions | None = None
    """Negatives of each user's own, beside the sampler's; None for none."""
    memory: int = 0
    """Number of earlier batches whose item embeddings serve as further negatives, as they were then."""
    hide_known: bool = False
    """Whether no item that the user took anywhere in the training part is a negative of this user."""
    all_negative: bool = False
    """Whether every column is a negative of every row, its own positives too."""
    frequency: Streaming | None = None
    """Estimate of log q while training; None counts the training part."""

    def __post_init__(self) -> None:
        if self.memory < 0:
            raise ValueError(f"Negatives.memory is a number of batches from 0, got {self.memory}")
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
