"""A run as data, for `--json` and for its report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestration.asset_files import (
    DATA_JSON,
    DATA_PAGE,
    DIFFERENCE_PAGE,
    data_folder,
    read_schema,
    version_folder,
)
from orchestration.evaluated import Evaluated
from orchestration.split import windows, windows_line
from training.artifacts.choice import read_choice
from training.recipes.choice import choice_lines

if TYPE_CHECKING:
    from orchestration.asset_values import Judged, Source
    from serving.registry import Registry
    from serving.settings import Settings


def run_summary(settings: Settings, judged: Judged) -> dict[str, Any]:
    """Summarise a run as data: version, verdict, champion, metrics by system."""
    from serving.registry import Registry
    from serving.registry.override import override_of
    from serving.release.history import served
    from serving.release.manifest import read

    version = judged.version
    times = version.source.validation_start, version.source.cut, version.source.holdout_end
    registry = Registry(settings, version.source.dataset)
    tried, schema = read_choice(registry.download(version.version)), read_schema(version.source)
    manifest, measured = read(registry, version.version), read_evaluation(judged)
    champion = registry.champion()
    return {
        "dataset": version.source.dataset,
        "version": version.version,
        "reused": version.reused,
        "training": manifest.training.value,
        "parent": manifest.parent,
        "outcome": manifest.verdict.outcome.value,
        "reasons": list(manifest.verdict.reasons),
        "champion": champion,
        "champion_override": override_of(registry, champion),
        "refit": _refit(registry, version.version),
        "served": list(served(registry)),
        "validation_start": version.source.validation_start.isoformat(),
        "cut": version.source.cut.isoformat(),
        "as_of": version.source.as_of.isoformat(),
        **windows(schema, *times),
        "windows": windows_line(schema, *times),
        "notes": list(version.source.notes),
        "choice": choice_lines(tried),
        "warnings": _warnings(version.source),
        "data_page": str(data_folder(version.source) / DATA_PAGE),
        "index_recall": measured.index_recall,
        "metrics": {name: system.metrics for name, system in measured.systems.items()},
        "core_metrics": {name: system.metrics for name, system in measured.core.items()},
        "mlflow_run": registry.run_url(version.version),
        "difference_page": _difference_page(judged),
    }


def _refit(registry: Registry, version: int) -> dict[str, Any] | None:
    """Newest refit of a version, with its verdict; None without one."""
    from serving.release.judged_twin import refits_of
    from serving.release.manifest import MANIFEST_SHA256, read

    for each in refits_of(registry, version):
        if MANIFEST_SHA256 in registry.tags(each):
            manifest = read(registry, each)
            decided = manifest.verdict
            return {
                "version": each,
                "trained_until": manifest.cut.isoformat(),
                "outcome": decided.outcome.value,
                "reasons": list(decided.reasons),
            }
    return None


def read_evaluation(judged: Judged) -> Evaluated:
    """Read the evaluation of a judged version."""
    return Evaluated.from_json(judged.path.read_text())


def _warnings(source: Source) -> list[str]:
    """Findings on the data of a run."""
    findings = json.loads((data_folder(source) / DATA_JSON).read_text(encoding="utf-8"))["findings"]
    return [each["text"] for each in findings]


def _difference_page(judged: Judged) -> str | None:
    """Path of the page beside the champion; None where there was none."""
    path = version_folder(judged.version) / DIFFERENCE_PAGE
    return str(path) if path.exists() else None
