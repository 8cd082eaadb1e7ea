"""Texts of people and of the data as one line."""

from __future__ import annotations


def one_line(text: str, most: int) -> str:
    """One line of a text: control characters are escaped, a long text is cut to `most` characters before."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    # Joiners of emoji and of scripts are no letters and yet part of what is read.
    return "".join(each if each.isprintable() or each in "\u200c\u200d" else repr(each)[1:-1] for each in cut)
