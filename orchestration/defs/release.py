"""Assets of the release: evaluation, verdict, online features, champion."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG, SENSOR_NAME_TAG

from feature_repo.whole_file import write_text
from orchestration.asset_files import DIFFERENCE_PAGE, judging, read_embeddings, read_tables, version_folder
from orchestration.asset_values import Features, Index, Judged
from orchestration.defs.champion_check import BY_THE_GATE, check_of, served
from orchestration.defs.checks import record_path, require_checked
from orchestration.defs.staleness import FRESHNESS
from orchestration.difference_page.keep import keep_difference
from orchestration.drift import keep_profiles
from orchestration.evaluated import TWO_TOWER, Evaluated
from orchestration.evaluation import evaluate_version
from orchestration.local.datasets import remember
from orchestration.online import load_features
from orchestration.reporting.gate_checks import check_results, check_specs
from orchestration.reporting.markdown import as_markdown, bullets
from orchestration.reporting.plots import evaluation_figures
from orchestration.reporting.tables import drift_markdown, metrics_markdown
from orchestration.verdict import policy_note, seal_verdict
from orchestration.workspace import Workspace, fill
from serving.corpus import open_corpus
from serving.gate.verdict import Outcome
from serving.index.base import Fields
from serving.registry import Registry
from serving.registry.override import override_of
from serving.release.manifest import MANIFEST_SHA256, read
from serving.release.promotion import PROMOTED, promote_challenger

BY_ITSELF = {SCHEDULE_NAME_TAG, SENSOR_NAME_TAG}
"""Tags of runs that nobody has started."""


@dg.asset(group_name="release", compute_kind="pytorch")
def evaluation(context: dg.AssetExecutionContext, workspace: Workspace, item_index: Index) -> dg.Output[Judged]:
    """Exact retrieval on the hold-out beside baselines and champion; index recall."""
    version = item_index.version
    registry = Registry(workspace.settings, version.source.dataset)
    names = workspace.baseline_names
    folder = version_folder(version) / f"evaluation_{'_'.join(names)}"  # of other baselines: another evaluation

    def build(partial: Path) -> None:
        tables = read_tables(version.source)
        _, vectors = read_embeddings(item_index.embeddings)
        stored = Fields.of(tables.schema)
        with open_corpus(workspace.settings, stored, item_index.collection) as corpus:
            measured = evaluate_version(
                workspace.settings,
                corpus,
                item_index,
                tables,
                vectors,
                baselines=names,
                seed=workspace.seed,
                log=context.log.info,
                fields=workspace.slice_fields,
                windows=workspace.windows,
            )
        (partial / "evaluation.json").write_text(measured.to_json())
        registry.log_results(version.version, measured.systems[TWO_TOWER].metrics, evaluation_figures(measured))
        if measured.drift:
            keep_profiles(registry, version.version, measured.drift)

    with judging(version):
        if MANIFEST_SHA256 not in registry.tags(version.version):
            shutil.rmtree(folder, ignore_errors=True)  # not judged yet: the champion may have moved since
        built = fill(folder, build)
        measured = Evaluated.from_json((folder / "evaluation.json").read_text())
    return dg.Output(
        Judged(version=version, path=folder / "evaluation.json"),
        metadata={
            "metrics": dg.MetadataValue.md(metrics_markdown(measured)),
            "drift": dg.MetadataValue.md(drift_markdown(measured)),
            "index recall": measured.index_recall,
            "baselines": ", ".join(names),
            **{name: dg.MetadataValue.md(as_markdown(f)) for name, f in evaluation_figures(measured).items()},
            "users": measured.systems[TWO_TOWER].users["all"],
            "MLflow run": dg.MetadataValue.url(registry.run_url(version.version)),
            "reused": not built,
        },
    )


@dg.asset(
    group_name="release",
    compute_kind="gate",
    check_specs=check_specs(),
    dagster_type=dg.PythonObjectDagsterType(Judged),  # Dagster reads none from the result of an asset with checks
)
def verdict(context: dg.AssetExecutionContext, workspace: Workspace, evaluation: Judged) -> dg.MaterializeResult:
    """The gate's decision with its reasons, sealed into the manifest for good.

    Its checks are those of the decision, so that the asset alone brings them too.
    """
    version, settings = evaluation.version, workspace.settings
    registry = Registry(settings, version.source.dataset)
    with judging(version):
        if MANIFEST_SHA256 not in registry.tags(version.version):
            seal_verdict(settings, evaluation, workspace.clock)
    decided = read(registry, version.version).verdict
    for reason in decided.reasons:
        context.log.info(reason)
    note = policy_note(settings, decided)
    if note:
        context.log.warning(note)
    path = version_folder(version) / "verdict.json"
    write_text(path, decided.to_json())
    page = keep_difference(registry, evaluation, decided)
    # By way of MLflow: a browser opens no file from a page of Dagster.
    beside = dg.MetadataValue.url(registry.run_url(version.version, DIFFERENCE_PAGE)) if page else None
    return dg.MaterializeResult(
        value=Judged(version=version, path=path),
        metadata={
            "dataset": version.source.dataset,
            "version": version.version,
            "outcome": decided.outcome.value,
            **({"why": "\n".join(decided.unmet)} if decided.unmet else {}),
            "reasons": dg.MetadataValue.md(bullets(decided.reasons)),
            **({"policy": note} if note else {}),
            **({"beside the champion": beside} if beside else {}),
        },
        check_results=list(check_results(decided)),
    )


@dg.asset(group_name="release", compute_kind="feast", deps=["training_set"], freshness_policy=FRESHNESS)
def online_features(
    context: dg.AssetExecutionContext, workspace: Workspace, user_features: Features
) -> dg.MaterializeResult:
    """Features of every user as of the newest event, for every kept release.

    Older features never replace newer ones. Users who vanished from the data vanish.
    """
    require_checked(user_features)
    loaded = load_features(workspace, user_features, record_path(user_features), context.log.warning)
    facts: dict[str, Any] = {
        "as of": str(user_features.source.as_of),
        "rows written": str(sum(each.written for each in loaded)),
        "kept because": "; ".join(each.problem for each in loaded if each.problem),
        "reused": not loaded,
    }
    return dg.MaterializeResult(
        metadata={name: fact for name, fact in facts.items() if fact != "" and fact is not False}
    )


@dg.asset(
    group_name="release",
    compute_kind="mlflow",
    deps=[online_features],
    freshness_policy=FRESHNESS,
    check_specs=[BY_THE_GATE],
)
def champion(context: dg.AssetExecutionContext, workspace: Workspace, refit: Judged) -> dg.MaterializeResult:
    """The release that serves. It changes on a passed verdict only.

    A run does not promote a version that was champion before: that would undo a rollback or a later promotion.
    `gatehouse promote` does it on purpose. Where the alias was deleted, the run mends it.

    A run ends here: the home notes its dataset and options, however the run was launched. The check `by_the_gate` says
    which version serves now, whoever moved it since.
    """
    version, settings = refit.version, workspace.settings
    registry = Registry(settings, version.source.dataset)
    decided = read(registry, version.version).verdict
    before = registry.champion()
    if decided.outcome is Outcome.PASSED and (before is None or PROMOTED not in registry.tags(version.version)):
        promote_challenger(settings, version.source.dataset, version.version)
    after = registry.champion()
    context.log.info(f"version {version.version} is {decided.outcome.value}; champion: {before} -> {after}")
    # A night or a sensor repeats what is noted: it must not choose the dataset of later commands, nor
    # put back options that were changed while it was at work.
    if not BY_ITSELF & context.run.tags.keys():
        remember(settings, version.source.dataset, dict(workspace))
    return dg.MaterializeResult(
        metadata={
            "champion": after or 0,
            "before": before or 0,
            "challenger": version.version,
            "outcome": decided.outcome.value,
            **({"override": reason} if (reason := override_of(registry, after)) else {}),
        },
        check_results=[dg.AssetCheckResult(**check_of(served(settings, context.log, [], {})))],
    )
