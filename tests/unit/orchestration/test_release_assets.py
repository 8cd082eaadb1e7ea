"""The last steps of a run: an evaluation that is not judged yet is made again, few verdicts promote, all are noted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from orchestration.asset_values import Index, Judged, Source, Version
from orchestration.defs import release
from orchestration.evaluated import TWO_TOWER
from orchestration.local.datasets import known
from orchestration.workspace import Workspace
from serving.gate.policy_file import read_policy
from serving.gate.verdict import Outcome, PolicyText, Verdict
from serving.registry import CHAMPION, OVERRIDE
from serving.release.manifest import MANIFEST_SHA256
from serving.release.promotion import PROMOTED
from serving.settings import Settings
from tests.mistakes.mistake import undecorated
from tests.unit.serving.memory_registry import MemoryRegistry

SHIPPED = Path("serving/gate.yaml")
MOMENT = datetime(2024, 3, 1)


@dataclass
class Release:
    """A registry with two versions, of which the second is that of the run; and what the steps did."""

    root: Path
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    outcome: Outcome = Outcome.PASSED
    done: list[str] = field(default_factory=list)

    @property
    def version(self) -> Version:
        times = {"as_of": MOMENT, "validation_start": MOMENT, "cut": MOMENT}
        source = Source(dataset="shop", folder=self.root / "source", sha256="", **times)
        return Version(source=source, frames=self.root / "training_set", version=2, reused=False)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    made = Release(tmp_path)
    made.registry.add("passed", None)
    verdict = lambda *_: SimpleNamespace(verdict=Verdict(made.outcome, ()))  # noqa: E731
    monkeypatch.setattr(release, "Registry", lambda *_: made.registry)
    monkeypatch.setattr(release, "read", verdict)
    monkeypatch.setattr(release, "promote_challenger", lambda *_: made.done.append("promoted"))
    monkeypatch.setattr(release, "seal_verdict", lambda *_: made.done.append("sealed"))
    monkeypatch.setattr(release, "keep_difference", lambda *_: None)
    return made


def end(made: Release, workspace: Workspace, tags: dict[str, str] | None = None) -> Any:
    """Materialise the last asset of a run with these tags; return its metadata."""
    context = SimpleNamespace(log=Mock(), run=SimpleNamespace(tags=tags or {}))
    judged = Judged(version=made.version, path=made.root / "evaluation.json")
    return undecorated(release.champion)(context, workspace, judged).metadata


@pytest.mark.parametrize(
    ("outcome", "champion", "was_promoted", "promotes"),
    [
        (Outcome.PASSED, 1, False, True),
        (Outcome.PASSED, None, False, True),
        (Outcome.PASSED, 1, True, False),  # it would undo a rollback
        (Outcome.PASSED, None, True, True),  # the alias was deleted
        (Outcome.FAILED, 1, False, False),
        (Outcome.FAILED, None, False, False),
        (Outcome.UNDECIDED, 1, False, False),
        (Outcome.UNDECIDED, None, True, False),
    ],
)
def test_only_a_passed_version_that_never_served_or_finds_no_champion_is_promoted(
    made: Release, outcome: Outcome, champion: int | None, was_promoted: bool, promotes: bool
) -> None:
    made.outcome = outcome
    if champion:
        made.registry.alias[CHAMPION] = champion
    if was_promoted:
        made.registry.stored[2][PROMOTED] = "true"
    end(made, Workspace())
    assert made.done == ["promoted"] * promotes


def test_the_champion_is_shown_with_the_override_by_which_it_serves(made: Release) -> None:
    made.outcome = Outcome.FAILED
    made.registry.stored[1][OVERRIDE] = "<b>why</b>"
    assert "override" not in end(made, Workspace())  # the one that has a reason is no champion
    made.registry.alias[CHAMPION] = 1
    assert end(made, Workspace())["override"] == "<b>why</b>"
    made.registry.alias[CHAMPION] = 2
    assert "override" not in end(made, Workspace())


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.FAILED])
def test_a_run_is_noted_however_it_was_launched(made: Release, outcome: Outcome) -> None:
    made.outcome = outcome
    end(made, Workspace(dataset="own", data=str(made.root / "files"), seed=3, retrain=True))
    noted = known(Settings(home=made.root, mlflow_uri=""))["shop"]
    assert (noted["dataset"], noted["data"], noted["seed"]) == ("own", str(made.root / "files"), 3)
    assert "retrain" not in noted
    assert (made.root / "current").read_text() == "shop"


def test_a_night_leaves_the_notes_that_it_repeats(made: Release) -> None:
    end(made, Workspace(seed=3))
    (made.root / "current").write_text("another")
    end(made, Workspace(seed=4), {"dagster/schedule_name": "nightly"})
    assert known(Settings(home=made.root, mlflow_uri=""))["shop"]["seed"] == 3
    assert (made.root / "current").read_text() == "another"


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_verdict_is_sealed_once(made: Release, is_sealed: bool) -> None:
    (made.root / "v2").mkdir()
    if is_sealed:
        made.registry.stored[2][MANIFEST_SHA256] = "hash"
    undecorated(release.verdict)(Mock(), Workspace(), Judged(version=made.version, path=made.root / "e.json"))
    assert made.done == ["sealed"] * (not is_sealed)


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_verdict_by_another_policy_says_so(
    made: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_changed: bool
) -> None:
    """The same input keeps its verdict, whatever a person has changed in the policy since."""
    (made.root / "v2").mkdir()
    made.registry.stored[2][MANIFEST_SHA256] = "hash"
    policy = tmp_path / "policy.yaml"
    policy.write_text(SHIPPED.read_text())
    sealed = PolicyText(text="", sha256=read_policy(policy).sha256)
    if is_changed:
        policy.write_text(SHIPPED.read_text().replace("margin: 0.02", "margin: 0.05"))
    monkeypatch.setenv("GATEHOUSE_POLICY", str(policy))
    monkeypatch.setattr(release, "read", lambda *_: SimpleNamespace(verdict=Verdict(made.outcome, (), sealed)))
    context = Mock()
    result = undecorated(release.verdict)(context, Workspace(), Judged(version=made.version, path=made.root / "e.json"))
    said = [call.args[0] for call in context.log.warning.call_args_list]
    assert ["judged by another policy" in each and "gatehouse run --retrain" in each for each in said] == (
        [True] if is_changed else []
    )
    assert ("policy" in result.metadata) == is_changed


def test_of_two_runs_of_one_input_one_seals(made: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second seal would write another time over the manifest whose hash the first has tagged."""
    (made.root / "v2").mkdir()

    def slowly(*_: Any) -> None:
        time.sleep(0.2)
        made.done.append("sealed")
        made.registry.stored[2][MANIFEST_SHA256] = "hash"

    monkeypatch.setattr(release, "seal_verdict", slowly)
    judged = Judged(version=made.version, path=made.root / "e.json")
    with ThreadPoolExecutor() as both:
        runs = [both.submit(undecorated(release.verdict), Mock(), Workspace(), judged) for _ in range(2)]
    assert [run.result().value.version for run in runs] == [made.version] * 2
    assert made.done == ["sealed"]


@pytest.mark.parametrize("is_sealed", [False, True])
def test_an_evaluation_that_is_not_judged_is_made_again(
    made: Release, monkeypatch: pytest.MonkeyPatch, is_sealed: bool
) -> None:
    """The champion that it was measured beside may have moved since."""
    two_tower: Any = SimpleNamespace(metrics={}, users={"all": 1})
    measured = SimpleNamespace(systems={TWO_TOWER: two_tower}, index_recall=1.0, to_json=lambda: "{}", drift=None)

    def evaluate(*_: Any, **more: Any) -> Any:
        made.done.append("measured")
        return measured

    nothing = SimpleNamespace(schema=None)
    instead: dict[str, Any] = {
        "read_tables": lambda _: nothing,
        "read_embeddings": lambda _: (None, None),
        "Fields": SimpleNamespace(of=lambda _: None),
        "open_corpus": lambda *_: nullcontext(),
        "evaluate_version": evaluate,
        "Evaluated": SimpleNamespace(from_json=lambda _: measured),
        "evaluation_figures": lambda _: {},
        "metrics_markdown": lambda _: "",
    }
    for name, each in instead.items():
        monkeypatch.setattr(release, name, each)
    made.registry.log_results = lambda *_: None  # type: ignore[attr-defined]
    made.registry.run_url = lambda _: "http://localhost"  # type: ignore[attr-defined]
    if is_sealed:
        made.registry.stored[2][MANIFEST_SHA256] = "hash"
    index = Index(version=made.version, embeddings=made.root / "e.parquet", collection="shop_items_v2")
    for _ in range(2):
        undecorated(release.evaluation)(Mock(), Workspace(), index)
    assert made.done == ["measured"] * (1 if is_sealed else 2)
