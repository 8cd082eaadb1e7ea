"""Words for yes and no, in files and in posted events."""

from __future__ import annotations

TRUTHS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}
"""Words for truth values, in lower case."""


def is_no(text: str) -> bool:
    """Tell whether a text is a word for no."""
    return not TRUTHS.get(text.strip().lower(), True)
