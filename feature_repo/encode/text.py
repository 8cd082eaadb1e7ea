"""Texts as hashed words, and as character n-grams of words.

Legend: N rows, L tokens kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from feature_repo.encode.codes import hashed, padded
from feature_repo.encode.inputs import HASHED_TOKENS
from feature_repo.feature import Feature


def token_codes(texts: pl.Series, feature: Feature) -> np.ndarray:
    """Codes of the first `length` tokens: int32 [N, L]; a null is an empty text."""
    return padded(tokens(texts, feature.ngrams), feature.length or 1, lambda flat: hashed(flat, HASHED_TOKENS))


def tokens(texts: pl.Series, ngrams: tuple[int, int] | None) -> pl.Series:
    """Words in lower case, then their character n-grams: list[string] [N]."""
    # n-grams of characters, not of words: titles are short, and two of them rarely
    # share a pair of words, but often a stem. A misspelt, inflected, compound or new
    # word keeps most of its n-grams. [fastText: Bojanowski et al., TACL 2017]
    words = texts.fill_null("").str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")
    if ngrams is None:
        return words
    parts = [[*row, *(part for word in row for part in word_parts(word, *ngrams))] for row in words.to_list()]
    return pl.Series(texts.name, parts, pl.List(pl.String))


@lru_cache(maxsize=1 << 16)
def word_parts(word: str, shortest: int, longest: int) -> tuple[str, ...]:
    """n-grams of `<word>`; the brackets mark its beginning and end.

    Args:
        word: the word.
        shortest: shortest n.
        longest: longest n.
    """
    # Each n-gram starts with a #, which no word does: otherwise the middle of `steam`
    # would be hashed as the word `tea`.
    bounded = f"<{word}>"
    return tuple(
        f"#{bounded[start : start + size]}"
        for size in range(shortest, min(longest, len(bounded) - 1) + 1)
        for start in range(len(bounded) - size + 1)
    )
