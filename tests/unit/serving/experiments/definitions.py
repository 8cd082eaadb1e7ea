"""Experiments for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from serving.experiments.definition import CHAMPION, Experiment, Variant

START, END = datetime(2026, 6, 1), datetime(2026, 6, 29)


def experiment(*weights: float, salt: str = "salt") -> Experiment:
    """Experiment with variants a, b, ... of the given weights."""
    names = "abcdefgh"
    variants = tuple(
        Variant(name=name, serves=CHAMPION, weight=weight) for name, weight in zip(names, weights, strict=False)
    )
    return Experiment(name="test", salt=salt, start=START, end=END, variants=variants)


def with_shadow(base: Experiment, name: str) -> Experiment:
    """The experiment with a shadow."""
    return replace(base, shadows=(Variant(name=name, serves=8, weight=0.0),))
