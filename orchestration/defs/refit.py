"""Asset of the refit: what has passed, trained once more on all data."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from feature_repo.whole_file import write_text
from orchestration.asset_files import (
    DATA_JSON,
    DATA_PAGE,
    data_folder,
    read_tables,
    training_set_folder,
    version_folder,
)
from orchestration.asset_values import Features, Frames, Judged, Source, Version
from orchestration.defs.index import build_index, embed_items
from orchestration.defs.training import FRAMES, join
from orchestration.parent_version import Parent, base_of, check_snapshots
from orchestration.refit_guards import measure_guards
from orchestration.registered import register_towers
from orchestration.reporting.markdown import bullets
from orchestration.verdict import bias_of, seal_version
from orchestration.workspace import Workspace, code_digest
from serving.corpus import open_corpus
from serving.gate.guard_policy import GuardPolicy
from serving.gate.policy_file import read_policy
from serving.gate.refit import judge_refit
from serving.gate.verdict import Outcome
from serving.index.base import Fields
from serving.model.bundle import ModelBundle
from serving.registry import DAGSTER_RUN, INPUT_KEY, PARENT, TRAINING, Lineage, Registry, Training
from serving.registry.tags import DATA
from serving.release.manifest import MANIFEST_SHA256, Manifest, collection_name, read, verified_files
from training.artifacts.bias import read_bias
from training.artifacts.choice import stored_recipe

if TYPE_CHECKING:
    from training.trainer import OnEpoch
    from training.untrained import Fitted


@dg.asset(group_name="release", compute_kind="pytorch")
def refit(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    verdict: Judged,
    user_features: Features,
    item_features: Features,
) -> dg.Output[Judged]:
    """The version that is to serve: the refit of a passed version if its guards hold, else the version itself."""
    registry, twin = Registry(workspace.settings, verdict.version.source.dataset), verdict.version
    policy = read_policy(workspace.settings.gate_policy)
    manifest = read(registry, twin.version)
    if not workspace.refits:
        return dg.Output(verdict, metadata={"refit": "off: `refit: after_pass` in the policy, or --refit, turns it on"})
    if manifest.verdict.outcome is not Outcome.PASSED:
        return dg.Output(verdict, metadata={"refit": f"none: version {twin.version} is {manifest.verdict.outcome}"})
    if user_features.source != twin.source:
        raise RuntimeError(
            f"the verdict is on data in {twin.source.folder}, the features of data in {user_features.source.folder}: "
            "another run has written one of them since; materialise both in one run (`gatehouse run`)"
        )
    value = refit_version(
        context, workspace, user_features, item_features, manifest, base_of(registry, manifest), policy.refit
    )
    decided, version = read(registry, value.version).verdict, value.version
    path = version_folder(value) / "verdict.json"
    write_text(path, decided.to_json())
    served = Judged(version=value, path=path) if decided.outcome is Outcome.PASSED else verdict
    return dg.Output(
        served,
        metadata={
            "version": version,
            "refit of": twin.version,
            "outcome": decided.outcome.value,
            "to serve": served.version.version,
            "MLflow run": dg.MetadataValue.url(registry.run_url(version)),
        },
    )


def until_now(source: Source) -> Source:
    """The source of a refit, whose training part ends with the data."""
    return source.model_copy(update={"validation_start": source.cut, "cut": source.as_of, "end": source.as_of})


def refit_version(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    users: Features,
    items: Features,
    twin: Manifest,
    base: Parent | None,
    asked: GuardPolicy,
    tags: Mapping[str, str] | None = None,
) -> Version:
    """Train a version on all data, index it, and seal it by its guards, each unless it is done.

    Args:
        context: the run of Dagster.
        workspace: the run's options.
        users: feature tables of the users.
        items: those of the items.
        twin: the judged version that it stands beside.
        base: what its weights start from; None for a training in full.
        asked: guards.
        tags: further tags of the version.
    """
    from filelock import FileLock

    registry, source = Registry(workspace.settings, twin.dataset), until_now(users.source)
    check_snapshots(source, base)
    folder = training_set_folder(source, refit=True)
    moments = source.validation_start, source.cut
    workspace.fill(folder, lambda partial: join(workspace, users, items, partial, moments))
    with FileLock(folder.with_suffix(".refit.lock")):
        version = _trained(context, workspace, Frames(source=source, folder=folder), twin, base, tags or {})
        value = Version(source=source, frames=folder, version=version, reused=False)
        if MANIFEST_SHA256 not in registry.tags(version):
            _seal(workspace, value, twin, asked)
    reasons = read(registry, version).verdict.reasons
    # By these the sensor `verdicts` alerts of a refusal, of a refit as of an update.
    context.add_output_metadata({"dataset": twin.dataset, "reasons": dg.MetadataValue.md(bullets(reasons))})
    for reason in reasons:
        context.log.info(f"version {version}, beside {twin.version}: {reason}")
    return value


def _key(workspace: Workspace, twin: Manifest, base: Parent | None, source: Source) -> str:
    """Hash everything that decides a refit: the judged version, the base, the data and their end, seed and code."""
    parts = (
        "refit",
        twin.input_key,
        str(twin.version),
        f"{base.training} of {base.version}" if base else Training.FULL,
        source.sha256,
        source.cut.isoformat(),
        str(workspace.seed),
        code_digest(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _trained(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    frames: Frames,
    twin: Manifest,
    base: Parent | None,
    more: Mapping[str, str],
) -> int:
    """Train a refit, unless it is there; return its number.

    Args:
        context: the run of Dagster.
        workspace: the run's options.
        frames: joined frames that end with the data.
        twin: the judged version that it stands beside.
        base: what its weights start from.
        more: further tags.
    """
    registry, source, tables = Registry(workspace.settings, twin.dataset), frames.source, read_tables(frames.source)
    key = _key(workspace, twin, base, source)
    if found := registry.find(key):
        return found
    judged = registry.download(twin.version)
    verified_files(judged, twin)
    checkpoints = frames.folder.with_name(f"checkpoints_{key[:12]}")
    tags = {TRAINING: Training.REFIT.value, PARENT: str(twin.version), **more}
    how = f"{base.training} of version {base.version}" if base else "full training"
    name = f"{twin.dataset} beside version {twin.version}"
    with registry.run(name, {DAGSTER_RUN: context.run.run_id, **tags}) as run:
        run.log_params({"refit_of": twin.version, "how": how, "seed": workspace.seed, "as_of": source.as_of})
        for file in (DATA_PAGE, DATA_JSON):
            run.log_artifact(data_folder(source) / file)
        run.log_dataset(Lineage(name=source.dataset, path=source.folder, digest=source.sha256[:36]))

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            run.log_epoch({f"validation/{name}": value for name, value in metrics.items()}, epoch)
            context.log.info(f"epoch {epoch}")  # a run that says nothing for long is taken for killed

        context.log.info(f"train what stands beside version {twin.version} on the data until {source.cut}: {how}")
        fitted = _fit(workspace, frames, judged, base, on_epoch, checkpoints)
        card = f"Beside version {twin.version}, which was judged: {how}, on the data until {source.cut}."
        asked = stored_recipe(judged)
        version = register_towers(
            run, fitted, tables, {**tags, INPUT_KEY: key, DATA: data_folder(source).name}, asked=asked, card=card
        )
        shutil.rmtree(checkpoints, ignore_errors=True)
        return version
    raise AssertionError("unreachable: the run either returns a version or raises")


def _fit(
    workspace: Workspace, frames: Frames, judged: Path, base: Parent | None, on_epoch: "OnEpoch", checkpoints: Path
) -> "Fitted":
    """Repeat the training of a judged version on all data: in full, from its base, or as an update of it.

    Args:
        workspace: the run's options.
        frames: joined frames that end with the data.
        judged: folder of the judged version.
        base: what its weights start from.
        on_epoch: told the metrics of each epoch.
        checkpoints: folder of this training alone.
    """
    from training.refit import fit_again
    from training.update import fit_update

    source, tables = frames.source, read_tables(frames.source)
    joined = {name: pl.scan_parquet(frames.folder / f"{name}.parquet") for name in FRAMES}
    given: dict[str, Any] = {
        "queries": joined["queries"],
        "item_snapshots": joined["item_snapshots"],
        "positives": joined["interactions"].collect(),
        "events": tables.events,
        "seed": workspace.seed,
        "on_epoch": on_epoch,
    }
    if base and base.training is Training.UPDATE:
        return fit_update(base.folder, since=base.cut, cut=source.cut, granularity=tables.schema.snapshots, **given)
    return fit_again(
        judged,
        schema=tables.schema,
        cut=source.validation_start,
        until=source.cut,
        impressions=tables.impressions,
        warm_start=base.folder if base else None,
        device=workspace.device,
        checkpoints=checkpoints,
        **given,
    )


def _seal(workspace: Workspace, value: Version, twin: Manifest, asked: GuardPolicy) -> None:
    """Index a trained refit, measure its guards, and seal their verdict.

    Args:
        workspace: the run's options.
        value: the refit.
        twin: manifest of its judged version.
        asked: guards.
    """
    settings, source, registry = workspace.settings, value.source, Registry(workspace.settings, value.source.dataset)
    path, _ = embed_items(workspace, value)
    build_index(workspace, value, path)
    tables, policy = read_tables(source), read_policy(settings.gate_policy)
    own = registry.download(value.version)
    towers, judged = (ModelBundle.from_folder(each) for each in (own, registry.download(twin.version)))
    name = collection_name(source.dataset, value.version)
    with open_corpus(settings, Fields.of(tables.schema), name) as corpus:
        guards = measure_guards(corpus, tables, value, towers, judged, seed=workspace.seed)
    guards = replace(guards, bias=bias_of(read_bias(own)))
    window = f"from {twin.cut} to {twin.as_of}"
    decided = judge_refit(guards, policy, asked, twin=twin.version, holdout=window)
    seal_version(settings, value, decided, now=workspace.clock, against=twin.against, metrics=guards.metrics())
