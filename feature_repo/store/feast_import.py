"""Import of Feast without the type checks that it compiles into its classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def plain_import() -> Iterator[None]:
    """Import Feast quickly and quietly inside this context.

    Feast decorates its classes by typeguard, which parses and compiles each of them
    again: 5 of the 6 seconds of the import, in every command that opens the store.
    """
    import typeguard

    # Importing Feast also switches deprecation warnings on for all code.
    with warnings.catch_warnings(), patch.object(typeguard, "typechecked", _unchecked):
        yield


def _unchecked(target: Callable[..., Any] | None = None, **options: Any) -> Callable[..., Any]:
    """Decorator in the form of `typeguard.typechecked` that leaves its target as it is."""
    return target if target is not None else lambda each: each
