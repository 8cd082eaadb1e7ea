"""Mistakes put into the source on purpose.

A mistake replaces one expression in the source of a module, everywhere. Functions and
methods get the code of the mistaken module, so that earlier importers run it too.
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
    """Wrong expression in a module, and the test that must notice it."""

    name: str
    """Name of the mistake."""
    module: str
    """Module that gets it."""
    right: str
    """Expression in the source."""
    wrong: str
    """Expression that replaces it."""
    test: Callable[..., None] | str
    """Test that must fail: a function that needs no fixture, or the address of a test from tests/ on."""
    arguments: tuple[Any, ...] = ()
    """Arguments of the test."""


@contextmanager
def put_in(mistake: Mistake) -> Iterator[None]:
    """Run a block with the mistake: the same objects with other code."""
    module = importlib.import_module(mistake.module)
    source = inspect.getsource(module)
    assert mistake.right in source, f"{mistake.module} no longer says {mistake.right!r}: bring the mistake up to date"
    mistaken = ModuleType(mistake.module)
    mistaken.__file__ = module.__file__
    # Dataclasses look their module up by name while they are made.
    sys.modules[mistake.module] = mistaken
    try:
        code = compile(source.replace(mistake.right, mistake.wrong), str(module.__file__), "exec", dont_inherit=True)
        exec(code, mistaken.__dict__)
    finally:
        sys.modules[mistake.module] = module
    wrong, sound = dict(functions(mistaken)), dict(functions(module))
    assert any(wrong[name].__code__ != function.__code__ for name, function in sound.items()), (
        f"{mistake.name!r} changes no function of {mistake.module}: constants stay as they were imported"
    )
    kept: list[tuple[FunctionType, CodeType]] = []
    for name, function in sound.items():
        kept.append((function, function.__code__))
        function.__code__ = wrong[name].__code__
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code


def functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Functions, methods, properties and assets of a module, by qualified name."""
    for owner in (module, *(each for each in vars(module).values() if isinstance(each, type))):
        for found in vars(owner).values():
            inner = undecorated(found)
            inner = inspect.unwrap(inner) if callable(inner) else inner
            if isinstance(inner, FunctionType) and inner.__module__ == module.__name__:
                yield inner.__qualname__, inner


def undecorated(found: Any) -> Any:
    """Function inside a property, a class method or an asset."""
    if type(found).__name__ in ("AssetsDefinition", "AssetChecksDefinition"):
        return found.op.compute_fn.decorated_fn
    return getattr(found, "fget", None) or getattr(found, "func", None) or getattr(found, "__func__", found)
