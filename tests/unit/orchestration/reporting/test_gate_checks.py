"""The rules of a verdict as checks of its asset, for a run and for the asset alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from orchestration.asset_values import Judged as JudgedVersion
from orchestration.asset_values import Source, Version, json_io_manager
from orchestration.defs import release
from orchestration.reporting.gate_checks import NO_RULE, NOT_KEPT, check_results
from orchestration.workspace import Workspace
from serving.gate.verdict import Judged, Outcome, RuleKind, Verdict
from serving.release.manifest import MANIFEST_SHA256
from tests.unit.serving.memory_registry import MemoryRegistry

JUDGED = (
    Judged(RuleKind.USERS, Outcome.PASSED, "500 users", {"users": 500}),
    Judged(RuleKind.SUPERIORITY, Outcome.PASSED, "als", {"effect": 0.1}),
    Judged(RuleKind.SUPERIORITY, Outcome.UNDECIDED, "popularity", {"other effect": 0.2, "low": float("nan")}),
    Judged(RuleKind.INDEX_RECALL, Outcome.FAILED, "index recall", {"index recall": 0.5}),
)


def shown(verdict: Verdict) -> dict[str, dg.AssetCheckResult]:
    return {str(each.check_name): each for each in check_results(Verdict.from_json(verdict.to_json()))}


def test_each_kind_is_one_check_with_its_sentences_and_numbers() -> None:
    checks = shown(Verdict.of(JUDGED, None))
    assert {name: (each.passed, each.severity.value) for name, each in checks.items() if not each.passed} == {
        "superiority": (False, "WARN"),
        "index_recall": (False, "ERROR"),
    }
    superiority = checks["superiority"]
    assert superiority.description == "passed: als  \nundecided: popularity"
    assert superiority.metadata["outcome"].value == "undecided"
    assert (superiority.metadata["effect"].value, superiority.metadata["other effect"].value) == (0.1, 0.2)
    assert "low" not in superiority.metadata
    assert (checks["floors"].passed, checks["floors"].description) == (True, NO_RULE)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_no_check_of_a_verdict_of_before_looks_better_than_it(outcome: Outcome) -> None:
    for each in shown(Verdict(outcome, ("passed: all of it",))).values():
        assert each.passed == (outcome is Outcome.PASSED)
        assert each.description == NOT_KEPT


def test_the_asset_alone_brings_its_checks_and_a_failed_one_blocks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    registry = MemoryRegistry()
    registry.add(None, None)
    registry.stored[1][MANIFEST_SHA256] = "sealed"
    registry.run_url = lambda version, artifact: f"http://mlflow/{version}/{artifact}"  # type: ignore[attr-defined]
    monkeypatch.setattr(release, "Registry", lambda *_: registry)
    monkeypatch.setattr(release, "read", lambda *_: SimpleNamespace(verdict=Verdict.of(JUDGED, None)))
    monkeypatch.setattr(release, "keep_difference", lambda *_: tmp_path / "difference.html")
    times = dict.fromkeys(("as_of", "validation_start", "cut"), "2024-03-01T00:00:00")
    source = Source(dataset="shop", folder=tmp_path / "source", sha256="", **times)
    version = Version(source=source, frames=tmp_path / "training_set", version=1, reused=False)
    (tmp_path / "v1").mkdir()
    workspace = Workspace(dataset="shop")
    workspace.values_folder.mkdir(parents=True)
    value = JudgedVersion(version=version, path=tmp_path / "evaluation.json")
    (workspace.values_folder / "evaluation.json").write_text(value.model_dump_json())

    @dg.asset
    def after(verdict: JudgedVersion) -> None:
        """Asset below the verdict."""

    result = dg.materialize(
        [release.verdict, after, dg.AssetSpec("evaluation")],
        selection=dg.AssetSelection.assets("verdict", after),
        resources={"workspace": workspace, "io_manager": json_io_manager},
    )
    found = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    assert result.success
    (metadata,) = [each.metadata for each in result.asset_materializations_for_node("verdict")]
    assert metadata["beside the champion"].value == "http://mlflow/1/difference.html"
    assert metadata["why"].value == "\n".join(Verdict.of(JUDGED, None).unmet)
    assert found == {kind.value: kind.value not in ("superiority", "index_recall") for kind in RuleKind}


def test_what_is_unmet_is_what_did_not_pass() -> None:
    assert [each.split(":")[0] for each in Verdict.of(JUDGED, None).unmet] == ["undecided", "failed"]
