"""Failures of a run in words, from Dagster's event log."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    """Findings of each failed check of a run."""
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records:
        check = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
        if not check.passed:
            yield f"{check.asset_key.to_user_string()}: {check.description}"


def failed_steps(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    """First error of each step of a run that failed by itself."""
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records:
        event = record.event_log_entry.get_dagster_event()
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:  # Dagster wraps what an asset raises
            error = error.cause
        yield f"{event.step_key}: {error.message.strip() if error else event.message}"
