"""Dagster's launcher on Kubernetes, beside runs that it has not launched."""

from __future__ import annotations

from dagster import DagsterRun
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster_k8s import K8sRunLauncher


class RunLauncher(K8sRunLauncher):
    """Launcher whose monitoring leaves alone what runs in a process of its own, such as `gatehouse run`."""

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Say how the job of a run is; one without a job would be marked as failed while it is at work."""
        if run.remote_job_origin is None:  # no launcher can have started it
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return super().check_run_worker_health(run)
