"""Checks that declarations share.

Each error says what was got, what was wanted, and why.
"""

from __future__ import annotations


def at_least_one(owner: object, **sizes: int) -> None:
    """Raise ValueError unless every size is a whole number of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"{_named(owner, name)} is a size: it must be a whole number from 1, got {size!r}")


def positive(owner: object, **values: float | None) -> None:
    """Raise ValueError unless every given value is above 0."""
    for name, value in values.items():
        if value is not None and value <= 0:
            raise ValueError(f"{_named(owner, name)} must be positive, got {value}")


def shares(owner: object, **values: float) -> None:
    """Raise ValueError unless every value lies in [0, 1)."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{_named(owner, name)} is a share in [0, 1), got {value}: at 1 nothing would be left")


def divides(owner: object, heads: int, width: int) -> None:
    """Raise ValueError unless the heads divide the width.

    Args:
        owner: the declaration, named in the error.
        heads: number of equal parts of a layer.
        width: width of the layer.
    """
    if width % heads:
        raise ValueError(
            f"{_named(owner, 'heads')} must divide the width, because each head gets an equal part of it: "
            f"got {heads} heads and a width of {width}"
        )


def _named(owner: object, name: str) -> str:
    return f"{type(owner).__name__}.{name}"
