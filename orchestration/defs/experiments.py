"""Reports on the experiments of the service."""

from datetime import datetime

import dagster as dg

from feature_repo.errors import InputError
from orchestration.experiments.logged import logged_exposures, logged_outcomes
from orchestration.experiments.report import report_of
from orchestration.experiments.text import report_markdown
from orchestration.local.datasets import known
from orchestration.workspace import Workspace
from serving.experiments.definition import Experiment
from serving.experiments.read import YAML_NAME, experiments_of
from serving.settings import Settings


@dg.asset(group_name="experiments", compute_kind="scipy")
def experiment_reports(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Report on every experiment that has started, of each dataset of the home.

    From what the service has logged. It is no part of a release: materialise it whenever the report is wanted.
    """
    settings, now = workspace.settings, workspace.clock
    reports, running = {}, []
    for dataset in known(settings):
        for experiment in experiments_of(settings.home / YAML_NAME, dataset):
            if experiment.start <= now:
                name = f"{experiment.name} ({dataset})"
                reports[name] = dg.MetadataValue.md(_report(context, settings, dataset, experiment, now))
                running += [name] if experiment.runs_at(now) else []
    return dg.MaterializeResult(metadata={"running": ", ".join(running) or "none", **reports})


def _report(
    context: dg.AssetExecutionContext, settings: Settings, dataset: str, experiment: Experiment, now: datetime
) -> str:
    """Report on one experiment as Markdown, or the reason why there is none, which does not hide the others.

    Args:
        context: told what has no report.
        settings: the home.
        dataset: name of the dataset.
        experiment: the experiment.
        now: end of the data.
    """
    try:
        exposures = logged_exposures(settings, dataset, experiment.name)
        return report_markdown(report_of(experiment, exposures, logged_outcomes(settings, dataset, experiment), now))
    except InputError as error:
        context.log.warning(f"{experiment.name}: no report: {error}")
        return f"no report: {error}"
