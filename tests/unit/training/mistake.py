"""A mistake put in on purpose.

It replaces one expression in the source of a module, everywhere the expression stands. Functions and methods get the
code of the mistaken module, so that whoever imported them before runs the mistake too.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """name: what was done wrong. module, right, wrong: where, and the expression before and after. test: what must
    notice it, called with `arguments`."""

    name: str
    module: str
    right: str
    wrong: str
    test: Callable[..., None]
    arguments: tuple[Any, ...] = ()


@contextmanager
def put_in(mistake: Mistake) -> Iterator[None]:
    """The module with the mistake: same objects, other code."""
    module = importlib.import_module(mistake.module)
    source = inspect.getsource(module)
    assert mistake.right in source, f"{mistake.module} no longer says {mistake.right!r}: bring the mistake up to date"
    mistaken = ModuleType(mistake.module)
    mistaken.__file__ = module.__file__
    # Dataclasses look their module up by name while they are made.
    sys.modules[mistake.module] = mistaken
    try:
        exec(compile(source.replace(mistake.right, mistake.wrong), str(module.__file__), "exec"), mistaken.__dict__)
    finally:
        sys.modules[mistake.module] = module
    wrong = dict(functions(mistaken))
    kept: list[tuple[FunctionType, CodeType]] = []
    for name, function in functions(module):
        kept.append((function, function.__code__))
        function.__code__ = wrong[name].__code__
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code


def functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """The module's own functions and its classes' methods and properties, by qualified name."""
    for owner in (module, *(each for each in vars(module).values() if isinstance(each, type))):
        for found in vars(owner).values():
            inner = getattr(found, "fget", None) or getattr(found, "func", None) or getattr(found, "__func__", found)
            inner = inspect.unwrap(inner) if callable(inner) else inner
            if isinstance(inner, FunctionType) and inner.__module__ == module.__name__:
                yield inner.__qualname__, inner
