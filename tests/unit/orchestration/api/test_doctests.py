"""Every public function of the Python API has an example, and all of them run."""

from __future__ import annotations

import doctest
from pathlib import Path

import gatehouse as gh
import pytest

from orchestration.api import dataset, evaluation, pipeline
from orchestration.api import model as models
from tests.unit.orchestration.api.api_world import dataset as world
from tests.unit.orchestration.api.api_world import model

EXAMPLES = [test for module in (dataset, models, evaluation, pipeline) for test in doctest.DocTestFinder().find(module)]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.mark.parametrize("example", [test for test in EXAMPLES if test.examples], ids=lambda test: test.name)
def test_the_example_runs(example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    report = evaluation.evaluate(model(), world())
    example.globs |= {"gh": gh, "data": world(), "model": model(), "report": report, "folder": tmp_path / "saved"}
    failures: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(example, out=failures.append, clear_globs=False)
    assert not failures, "".join(failures)


def test_every_public_function_has_an_example() -> None:
    with_example = {test.name.rsplit(".", 1)[-1] for test in EXAMPLES if test.examples}
    wanted = {"from_frames", "load", "fit", "load_model", "evaluate", "to_frame", "recommend", "history", "run"}
    assert wanted | {"embed_users", "embed_items", "save", "open_champion"} <= with_example
