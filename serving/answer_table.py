"""Columns of the answers to many users."""

from __future__ import annotations

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID

RESULT = {
    USER_ID: pl.String,
    "rank": pl.Int64,
    ITEM_ID: pl.String,
    "score": pl.Float64,
    "source": pl.String,
    "version": pl.Int64,
}
AS_OF = "features_as_of"
"""Further column: moment that the features of the answers stand for."""
