"""Numbers as text: currency signs, percent, thousands, decimal point or comma."""

from __future__ import annotations

from typing import Literal

import polars as pl

Mark = Literal[".", ","]
"""Decimal mark."""

_CURRENCY = (
    r"(?:\p{Sc}|R\$|(?:US|A|C|NZ|HK|S)\$|kr\.?|zł|Kč|Fr\.|"
    r"(?:USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|KRW|TRY|ZAR))"
)
_DIGITS = r"[\d.,'’\s\x{a0}\x{202f}]*\d(?:\.|,)?(?:[eE][+-]?\d+)?"
_PARTS = rf"^([(−-]?)\s*({_CURRENCY})?\s*([+−-]?)({_DIGITS})\s*({_CURRENCY})?\s*(%?)\)?$"
_PLAIN = r"^(?:\d+{mark}?|\d*{mark}\d+)(?:[eE][+-]?\d+)?$"
_GROUPED = r"^[1-9]\d{{0,2}}(?:[{groups}]\d{{2,3}})*[{groups}]\d{{3}}(?:{mark}\d+)?$"
_SPACES = r"'’\s\x{a0}\x{202f}"


def parse_numbers(text: pl.Series, mark: Mark | None = None) -> pl.Series:
    """Numbers as Float64; null for other text. 5 % is 0.05, (1.50) is -1.5.

    Args:
        text: the texts.
        mark: decimal mark; None asks `decimal_mark`, and reads what it leaves open with
            a point.
    """
    plain = text.str.strip_chars().cast(pl.Float64, strict=False)
    if mark != "," and plain.null_count() == text.null_count():
        return plain
    return _parsed(text, mark or decimal_mark(text) or ".")


def decimal_mark(text: pl.Series) -> Mark | None:
    """Decimal mark that a column proves; None where 1,234 can be 1234 or 1.234.

    A mark proves itself where all cells are numbers by it, and not by the other one.
    """
    point, comma = _parsed(text, "."), _parsed(text, ",")
    if point.null_count() != comma.null_count():
        return "." if point.null_count() < comma.null_count() else ","
    # No price has three decimals, so with a currency sign three digits are thousands.
    if (point == comma).all():
        return "."
    signed = text.str.contains(_CURRENCY)
    if signed.any():
        return "." if text.str.contains(",", literal=True).any() else ","
    return None


def _parsed(text: pl.Series, mark: Mark) -> pl.Series:
    parts = text.str.strip_chars().str.extract_groups(_PARTS).struct.unnest()
    digits = parts["4"]
    groups = ("," if mark == "." else ".") + _SPACES
    point = rf"\{mark}"
    valid = digits.str.contains(_PLAIN.format(mark=point)) | digits.str.contains(
        _GROUPED.format(mark=point, groups=groups)
    )
    cleaned = digits.str.replace_all(rf"[{groups}]", "").str.replace(mark, ".", literal=True)
    numbers = cleaned.cast(pl.Float64, strict=False)
    negative = (parts["1"].fill_null("") != "") | parts["3"].fill_null("").is_in(["-", "−"])
    scale = (parts["6"] == "%").cast(pl.Int8).replace_strict({1: 0.01, 0: 1.0}, default=1.0)
    signed = numbers * scale * negative.cast(pl.Int8).replace_strict({True: -1.0, False: 1.0})
    return pl.select(pl.when(valid).then(signed)).to_series().alias(text.name)
