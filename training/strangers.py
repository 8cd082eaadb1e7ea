"""Answer to users of whom nothing is known."""

from __future__ import annotations

import polars as pl

from feature_repo.encode import RESERVED, UNKNOWN, Encoder
from feature_repo.schema import ITEM_ID
from training.data.popularity import MOST, popular_items
from training.towers import TwoTower
from training.towers.item_prior import ItemPrior


def items_for_strangers(
    model: TwoTower, encoder: Encoder, corpus: pl.Series, events: pl.DataFrame, *, number: int = MOST
) -> list[tuple[str, float]]:
    """Items with scores, best first: by the towers' item prior, or by popularity without one.

    The prior is the part of the score that no user changes, so it is what the towers say
    of an item to somebody whom they do not know.

    Args:
        model: towers, whose prior is that of the moment.
        encoder: their encoder of items.
        corpus: ids of all items.
        events: canonical events.
        number: most items to return.
    """
    prior = model.item.prior
    if not isinstance(prior, ItemPrior):
        return [(item, float(count)) for item, count in popular_items(events, corpus, number=number)]
    term_V = prior.get_buffer("term_V1")[:, 0].numpy()
    known = pl.DataFrame({ITEM_ID: encoder.vocabularies[encoder.key], "score": term_V[RESERVED:]})
    ranked = corpus.alias(ITEM_ID).to_frame().join(known, on=ITEM_ID, how="left")
    ranked = ranked.with_columns(pl.col("score").fill_null(float(term_V[UNKNOWN])))
    return ranked.sort("score", ITEM_ID, descending=[True, False]).head(number).rows()
