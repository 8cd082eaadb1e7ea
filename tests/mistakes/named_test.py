"""Runs of named tests inside this process: without a mistake, and with each in the code that they test."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
from _pytest.runner import runtestprotocol

from tests.mistakes.mistake import Mistake, put_in

ROOT = Path(__file__).parents[2]
PLUGINS = ("cacheprovider", "logging", "threadexception", "unraisableexception")
"""Plugins that are no help here: the last two search all memory for garbage, half a second for each file."""
QUIET = ("-q", "--no-header", "--no-summary", *(f"-pno:{plugin}" for plugin in PLUGINS))
MISSPELT = ("NameError", "UnboundLocalError", "SyntaxError", "ImportError", "DagsterInvalidDefinitionError")
"""Errors of a mistake that is badly written: any test notices those."""
SOUND = "without a mistake"


class Named:
    """Plugin that runs each test of a session without a mistake, and then with each that names it.

    All fixtures are made and ended anew for each run, so that a mistake is in them too, and stays nowhere.
    """

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.of_test: dict[str, list[Mistake]] = defaultdict(list)
        for mistake in mistakes:
            self.of_test[str(mistake.test)].append(mistake)
        self.errors: dict[str, str] = {}
        """First error by name of the mistake; of `SOUND`, an error that no mistake explains."""
        self._found: list[str] = []

    def pytest_exception_interact(self, call: pytest.CallInfo[None]) -> None:
        assert call.excinfo is not None
        self._found.append(f"{call.excinfo.typename}: {call.excinfo.value}")

    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        of_test = self.of_test[item.nodeid.partition("[")[0]]
        if left := [each for each in of_test if each.name not in self.errors]:  # a case noticed the others
            self._run(item, SOUND)
        for mistake in left:
            with put_in(mistake):
                self._run(item, mistake.name)
        return True

    def _run(self, item: pytest.Item, name: str) -> None:
        self._found.clear()
        runtestprotocol(item, log=False, nextitem=None)
        if self._found:
            self.errors.setdefault(name, f"{item.nodeid}: {self._found[0]}" if name is SOUND else self._found[0])


@cache
def errors_of(file: str, mistakes: tuple[Mistake, ...]) -> dict[str, str]:
    """First error by mistake of the tests of a file, and of `SOUND`.

    Args:
        file: path of the file, from tests/ on.
        mistakes: mistakes that tests of this file must notice.

    Raises:
        LookupError: a test that is not there.
    """
    named = Named(mistakes)
    addresses = sorted({str(ROOT / str(each.test)) for each in mistakes})
    # Plugins that are installed would be loaded again for each file.
    with patch.dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"):
        code = pytest.main([f"--rootdir={ROOT}", *QUIET, *addresses], [named])
    if code is not pytest.ExitCode.OK:
        raise LookupError(f"{file}: pytest ended with {code!r} on {addresses}")
    return named.errors


def check(mistake: Mistake, all_: Sequence[Mistake]) -> None:
    """Assert that the named test passes, and fails with the mistake."""
    file = str(mistake.test).partition("::")[0]
    errors = errors_of(file, tuple(each for each in all_ if str(each.test).partition("::")[0] == file))
    assert SOUND not in errors, errors[SOUND]
    assert mistake.name in errors, f"{mistake.test} passes with the mistake {mistake.name!r}"
    assert not errors[mistake.name].startswith(MISSPELT), errors[mistake.name]
