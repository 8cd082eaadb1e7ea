"""Looks of a sensor or schedule at several datasets, which stand apart: what breaks one stops no other."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def apart(dataset: str, log: logging.Logger, said: list[str]) -> Iterator[None]:
    """Take an error as what the look at one dataset found.

    Args:
        dataset: its name.
        log: log of the tick, which shows the error beside what is asked for.
        said: reasons of the tick, which the error is added to.
    """
    try:
        yield
    except Exception as error:  # folders, logs and registries fail in ways that are not all foreseen
        said.append(f"{dataset}: {type(error).__name__}: {error}")
        log.warning(said[-1], exc_info=True)
