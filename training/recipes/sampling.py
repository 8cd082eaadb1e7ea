"""Sources of negatives: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.recipes.validation import at_least_one


@dataclass(frozen=True, kw_only=True)
class InBatch:
    """Items of the other interactions of the batch, which come by popularity."""


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Distinct items of the corpus, drawn uniformly, shared by all rows of a batch."""

    number: int = 1024
    """Items of a batch."""

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number)


@dataclass(frozen=True, kw_only=True)
class Popularity:
    """Items drawn by their share of interactions, shared by all rows of a batch."""

    number: int = 1024
    """Draws of a batch, with replacement."""
    beta: float = 0.75
    """Power of the share: 0 is uniform over the items with interactions, 1 is
    popularity, 0.75 is word2vec's [Mikolov et al., NeurIPS 2013]."""

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number)
        if not 0 <= self.beta <= 2:
            raise ValueError(f"beta is a power of popularity in [0, 2], got {self.beta}")


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Items of the batch and uniform ones of the corpus [Yang et al., WWW 2020].

    So the towers also see items without interactions, and learn to rank them low.
    """

    number: int = 1024
    """Uniform items of a batch."""

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Every item of the corpus: the full softmax.

    It fits corpora whose items can all pass the tower in every step.
    """


Sampler = InBatch | Uniform | Popularity | Mixed | Corpus


@dataclass(frozen=True, kw_only=True)
class HardNegatives:
    """Negatives of each user's own, mined from the current model's ranking.

    The user's known positives are never mined. [Huang et al., KDD 2020, section 6.1]
    """

    number: int = 4
    """Negatives of a user, drawn for each batch."""
    first: int = 101
    """First rank that is mined. Ranks near the top hold items that the user would take."""
    last: int = 500
    """Last rank that is mined."""
    epochs: int = 1
    """Epochs between two minings, each with the towers of that time."""

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number, first=self.first, epochs=self.epochs)
        if self.last - self.first + 1 < self.number:
            raise ValueError(
                f"ranks {self.first} to {self.last} hold {max(0, self.last - self.first + 1)} items, fewer than the "
                f"{self.number} hard negatives wanted of them"
            )


@dataclass(frozen=True, kw_only=True)
class Impressions:
    """Negatives of each user's own: impressions without an interaction.

    For data with impressions only. They help if impressions are near to the user's
    wishes and a skipped one is unwanted. If users take one of many good items, they
    teach the opposite: worse than random negatives in Huang et al., KDD 2020, section
    6.1.
    """

    number: int = 4
    """Negatives of a user, drawn for each batch."""
    newest: int = 100
    """Newest impressions of a user that they are drawn from."""

    def __post_init__(self) -> None:
        at_least_one(self, number=self.number)
        if self.newest < self.number:
            raise ValueError(
                f"the newest {self.newest} items are fewer than the {self.number} that are drawn of them: raise "
                "newest, or lower number"
            )


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """Frequency of items in batches, estimated from the gaps between batches.

    One pass over the data is enough. [Yi et al., RecSys 2019, algorithms 2 and 3]
    """

    rate: float = 0.01
    """α, weight of the newest gap."""
    tables: int = 4
    """Number of hash tables; several make collisions rare."""
    size: int = 1 << 20
    """Rows of each hash table."""

    def __post_init__(self) -> None:
        at_least_one(self, tables=self.tables, size=self.size)
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate is the weight of the newest gap, in (0, 1], got {self.rate}")


@dataclass(frozen=True, kw_only=True)
class Negatives:
    """Negatives of each interaction: source, correction, and hidden items."""

    sampler: Sampler = field(default_factory=InBatch)
    """Source of the columns that all rows of a batch share."""
    hard: HardNegatives | Impressions | None = None
    """Negatives of each user's own, beside the sampler's; None for none."""
    memory: int = 0
    """Earlier batches whose item embeddings, as computed then, serve as further
    negatives."""
    hide_known: bool = False
    """Whether items that the user took anywhere in the training part are no negatives
    of the user."""
    all_negative: bool = False
    """Whether every column is a negative of every row, the row's positives included."""
    frequency: Streaming | None = None
    """Estimate of log q during training; None for counts of the training part."""

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
