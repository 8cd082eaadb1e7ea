"""Import of Feast without the type checks that it compiles into its classes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

SHARED_METRICS = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")
"""Variables that Feast sets for its own server. Metrics of this process and of those that
it starts would add up with those of others."""


@contextmanager
def plain_import() -> Iterator[None]:
    """Import Feast quickly and quietly inside this context.

    Feast decorates its classes by typeguard, which parses and compiles each of them
    again: 5 of the 6 seconds of the import, in every command that opens the store.
    """
    # Before Feast, which switches it to values that all processes of a folder share.
    import prometheus_client  # noqa: F401
    import typeguard

    before = {name: os.environ.get(name) for name in SHARED_METRICS}
    # Importing Feast also switches deprecation warnings on for all code.
    with warnings.catch_warnings(), patch.object(typeguard, "typechecked", _unchecked):
        try:
            yield
        finally:
            for name in (name for name, value in before.items() if value is None):
                os.environ.pop(name, None)


def _unchecked(target: Callable[..., Any] | None = None, **options: Any) -> Callable[..., Any]:
    """Decorator in the form of `typeguard.typechecked` that leaves its target as it is."""
    return target if target is not None else lambda each: each
