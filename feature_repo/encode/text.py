"""Texts as hashed words, and as character n-grams of words.

Legend: N rows, L tokens kept.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import polars as pl

from feature_repo.encode.inputs import HASHED_TOKENS
from feature_repo.encode.series import flattened, hashed_series
from feature_repo.encode.values import padded
from feature_repo.feature import Feature

WORD_RULE = 2
"""Rule of new encoders. Towers meet the words that they were trained with, so encoders of
rule 1, which cut words at combining marks, keep it."""
_WORD = {1: r"[\p{L}\p{N}]+", 2: r"[\p{L}\p{N}][\p{L}\p{N}\p{M}]*"}
_INVISIBLE = str.maketrans("", "", "\u00ad\u200c\u200d")
"""Soft hyphen and joiners: they change how a word is set, not which word it is."""


def token_codes(texts: pl.Series, feature: Feature, rule: int) -> np.ndarray:
    """Codes of the first `length` tokens: int32 [N, L]; a null is an empty text.

    Args:
        texts: the texts.
        feature: the feature.
        rule: rule that finds the words, see `WORD_RULE`.
    """
    width = feature.length or 1
    flat, lengths_N = flattened(tokens(texts, feature.ngrams, rule), width)
    return padded(flat, lengths_N, width, lambda each: hashed_series(each, HASHED_TOKENS))


def tokens(texts: pl.Series, ngrams: tuple[int, int] | None, rule: int = WORD_RULE) -> pl.Series:
    """Words without case, then their character n-grams: list[string] [N].

    Args:
        texts: the texts.
        ngrams: shortest and longest n; None for words alone.
        rule: rule that finds the words, see `WORD_RULE`.
    """
    # n-grams of characters, not of words: titles are short, and two of them rarely
    # share a pair of words, but often a stem. A misspelt, inflected, compound or new
    # word keeps most of its n-grams. [fastText: Bojanowski et al., TACL 2017]
    filled = texts.fill_null("")
    same_case = filled.str.to_lowercase() if rule == 1 else pl.Series(list(map(folded, filled)), dtype=pl.String)
    words = same_case.str.extract_all(_WORD[rule]).alias(texts.name)
    if ngrams is None:
        return words
    parts = [[*row, *(part for word in row for part in word_parts(word, *ngrams))] for row in words.to_list()]
    return pl.Series(texts.name, parts, pl.List(pl.String))


def folded(text: str) -> str:
    """Text without case, in which equal letters are equal characters."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFD", text).casefold()
    # İ in lower case is an i with a second dot, which nobody types.
    return unicodedata.normalize("NFC", decomposed).replace("i\u0307", "i").translate(_INVISIBLE)


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
