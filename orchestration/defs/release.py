"""Evaluation, verdict, online features, champion."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from feature_repo.errors import InputError
from feature_repo.schema import Entity
from feature_repo.store.store import Store
from orchestration.asset_values import Features, Index, Judged
from orchestration.defs.checks import require_checked
from orchestration.defs.features import read_tables
from orchestration.defs.index import read_embeddings, version_folder
from orchestration.evaluation import CHAMPION, TWO_TOWER, Evaluated, evaluate_version
from orchestration.reporting.plots import as_markdown, evaluation_figures
from orchestration.reporting.report import bullets, metrics_markdown
from orchestration.workspace import Workspace, fill
from serving.gate.policy import Policy
from serving.gate.rules import Facts, decide
from serving.gate.verdict import Outcome, Verdict
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import Registry
from serving.release.manifest import MANIFEST_SHA256, collection_name, read, seal
from serving.release.promotion import PROMOTED, promote_challenger
from serving.settings import Settings


@dg.asset(group_name="release", compute_kind="pytorch")
def evaluation(context: dg.AssetExecutionContext, workspace: Workspace, item_index: Index) -> dg.Output[Judged]:
    """Exact retrieval on the temporal hold-out beside baselines and champion, and the recall of the index."""
    version = item_index.version
    registry = Registry(workspace.settings, version.source.dataset)
    folder = version_folder(version) / "evaluation"
    if MANIFEST_SHA256 not in registry.tags(version.version):
        shutil.rmtree(folder, ignore_errors=True)  # not judged yet, and the champion may have moved meanwhile

    def build(partial: Path) -> None:
        tables = read_tables(version.source)
        _, vectors = read_embeddings(item_index.embeddings)
        with MilvusIndex(workspace.settings, Fields.of(tables.schema)) as index:
            measured = evaluate_version(
                workspace.settings, index, item_index, tables, vectors, seed=workspace.seed, log=context.log.info
            )
        (partial / "evaluation.json").write_text(measured.to_json())
        registry.log_results(version.version, measured.systems[TWO_TOWER].metrics, evaluation_figures(measured))

    built = fill(folder, build)
    measured = Evaluated.from_json((folder / "evaluation.json").read_text())
    return dg.Output(
        Judged(version=version, path=folder / "evaluation.json"),
        metadata={
            "metrics": dg.MetadataValue.md(metrics_markdown(measured)),
            "index recall": measured.index_recall,
            **{name: dg.MetadataValue.md(as_markdown(f)) for name, f in evaluation_figures(measured).items()},
            "users": measured.systems[TWO_TOWER].users["all"],
            "MLflow run": dg.MetadataValue.url(registry.run_url(version.version)),
            "reused": not built,
        },
    )


@dg.asset(group_name="release", compute_kind="gate")
def verdict(context: dg.AssetExecutionContext, workspace: Workspace, evaluation: Judged) -> dg.Output[Judged]:
    """The gate's decision with its reasons, sealed into the version's manifest. It is never revised."""
    version, settings = evaluation.version, workspace.settings
    registry = Registry(settings, version.source.dataset)
    if MANIFEST_SHA256 not in registry.tags(version.version):
        _seal(settings, registry, evaluation)
    decided = read(registry, version.version).verdict
    for reason in decided.reasons:
        context.log.info(reason)
    path = version_folder(version) / "verdict.json"
    path.write_text(decided.to_json())
    return dg.Output(
        Judged(version=version, path=path),
        metadata={"outcome": decided.outcome.value, "reasons": dg.MetadataValue.md(bullets(decided.reasons))},
    )


def _seal(settings: Settings, registry: Registry, evaluation: Judged) -> None:
    version, source = evaluation.version, evaluation.version.source
    measured = Evaluated.from_json(evaluation.path.read_text())
    store = Store(read_tables(source).schema, settings.feast_home, online=settings.online_store)
    name = collection_name(source.dataset, version.version)
    with MilvusIndex(settings, Fields(types={})) as index:
        collection = index.info(name)
    if collection is None:
        raise LookupError(f"the collection {name} is gone: materialise item_index again")
    seal(
        registry,
        version.version,
        judge(measured, source.cut, Policy.load(settings.gate_policy)),
        index=collection,
        services={entity: store.service(entity) for entity in Entity},
        created=datetime.now(UTC).replace(tzinfo=None),
        as_of=source.as_of,
        cut=source.cut,
        against=measured.champion,
        metrics=measured.systems[TWO_TOWER].metrics,
    )


def judge(measured: Evaluated, cut: datetime, policy: Policy) -> Verdict:
    """The gate's decision on what was measured. A champion that could not be measured leaves its rules undecided."""
    metrics = {name: each.metrics for name, each in measured.systems.items()}
    return decide(
        metrics[TWO_TOWER],
        metrics.get(CHAMPION, {}) if measured.champion else None,
        metrics,
        measured.index_recall,
        policy,
        facts=Facts(
            holdout_users=measured.systems[TWO_TOWER].users["all"], cut=cut, champion_cut=measured.champion_cut
        ),
    )


@dg.asset(group_name="release", compute_kind="feast", deps=["training_set"])
def online_features(
    context: dg.AssetExecutionContext, workspace: Workspace, user_features: Features
) -> dg.MaterializeResult:
    """Every user's features as of the newest event, in the online store that serving reads. Never turned back."""
    require_checked(user_features)
    source, settings = user_features.source, workspace.settings
    store = Store(read_tables(source).schema, settings.feast_home, online=settings.online_store)
    try:
        written = store.load_online(Entity.USER, source.as_of)
    except InputError as error:
        context.log.warning(f"the online store was left as it is: {error}")
        return dg.MaterializeResult(metadata={"rows written": 0, "kept because": str(error)})
    return dg.MaterializeResult(
        metadata={"rows written": written, "as of": str(source.as_of), "service": store.service(Entity.USER)}
    )


@dg.asset(group_name="release", compute_kind="mlflow", deps=[online_features])
def champion(context: dg.AssetExecutionContext, workspace: Workspace, verdict: Judged) -> dg.MaterializeResult:
    """The release that serves. Moved only on a passed verdict; else the former champion stays.

    A version that was champion once is not promoted again by running its input again: that would undo a rollback, or a
    later promotion. `gatehouse promote` does it on purpose.
    """
    version, settings = verdict.version, workspace.settings
    registry = Registry(settings, version.source.dataset)
    decided = read(registry, version.version).verdict
    before = registry.champion()
    if decided.outcome is Outcome.PASSED and PROMOTED not in registry.tags(version.version):
        promote_challenger(settings, version.source.dataset, version.version)
    after = registry.champion()
    context.log.info(f"version {version.version} is {decided.outcome.value}; champion: {before} -> {after}")
    return dg.MaterializeResult(
        metadata={
            "champion": after or 0,
            "before": before or 0,
            "challenger": version.version,
            "outcome": decided.outcome.value,
        }
    )
