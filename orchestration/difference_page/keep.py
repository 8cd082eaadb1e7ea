"""File of the page on a version beside the champion, here and in its MLflow run."""

from __future__ import annotations

from pathlib import Path

from feature_repo.whole_file import write_text
from orchestration.asset_files import DIFFERENCE_PAGE, version_folder
from orchestration.asset_values import Judged
from orchestration.difference_page.page import difference_html
from orchestration.reporting.summary import read_evaluation
from serving.gate.verdict import Verdict
from serving.registry import Registry
from serving.registry.override import override_of


def keep_difference(registry: Registry, evaluation: Judged, verdict: Verdict) -> Path | None:
    """Write the page of a judged version, if it was measured beside a champion.

    Args:
        registry: registry of the dataset.
        evaluation: the version and its evaluation.
        verdict: the gate's decision.

    Returns:
        Path of the page on this machine; None without a page.
    """
    version, measured = evaluation.version, read_evaluation(evaluation)
    reasons = {number: override_of(registry, number) for number in (measured.champion, version.version) if number}
    overrides = {number: reason for number, reason in reasons.items() if reason}
    page = difference_html(version.source.dataset, version.version, measured, verdict, overrides)
    if page is None:
        return None
    path = version_folder(version) / DIFFERENCE_PAGE
    if not path.exists():  # a repeated run has the same page, and need not store it again
        registry.write_text(version.version, DIFFERENCE_PAGE, page)
    write_text(path, page)
    return path
