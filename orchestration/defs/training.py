"""Assets of the training: training set and towers."""

import hashlib
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Entity
from feature_repo.store.store import Store
from feature_repo.tables.parquet import TableWriter
from orchestration.asset_files import (
    DATA_JSON,
    DATA_PAGE,
    count_events,
    data_folder,
    folder_sha256,
    read_schema,
    read_tables,
    training_set_folder,
)
from orchestration.asset_values import Features, Frames, Source, Version
from orchestration.defs.checks import require_checked
from orchestration.identity import keep_identity
from orchestration.parent_version import Parent, check_snapshots, parent_of
from orchestration.registered import register_towers
from orchestration.reporting.markdown import preview
from orchestration.reporting.plots import training_figure
from orchestration.split import windows, windows_line
from orchestration.workspace import Workspace, code_digest
from serving.registry import DAGSTER_RUN, INPUT_KEY, PARENT, TRAINING, Lineage, Registry, Training
from serving.registry.tags import DATA, HOLDOUT, SEEDLESS_KEY, VALIDATION
from training.artifacts.choice import asked_recipe, stored_recipe
from training.data.interactions import answered, interactions, item_rows, new_since, query_rows
from training.recipes import TrainConfig, recipe
from training.recipes.choice import choice_lines
from training.recipes.serialization import to_flat, to_json

if TYPE_CHECKING:
    from training.trainer import OnEpoch
    from training.untrained import Fitted

FRAMES = ("queries", "item_snapshots", "interactions")


@dg.asset(group_name="training", compute_kind="feast")
def training_set(workspace: Workspace, user_features: Features, item_features: Features) -> dg.Output[Frames]:
    """Queries and item snapshots, joined point in time, and the interactions."""
    source = user_features.source
    if item_features.source != source:
        raise RuntimeError(
            f"user_features come from {source.folder}, item_features from {item_features.source.folder}: another run "
            "has written one of them since; materialise both in one run (`gatehouse run`)"
        )
    folder = training_set_folder(source)
    require_checked(user_features)
    require_checked(item_features)
    moments = source.validation_start, source.cut
    built = workspace.fill(folder, lambda partial: join(workspace, user_features, item_features, partial, moments))
    tables = {name: pl.scan_parquet(folder / f"{name}.parquet") for name in FRAMES}
    metadata = {f"rows of {name}": table.select(pl.len()).collect().item() for name, table in tables.items()}
    metadata |= {f"first rows of {name}": preview(table.head(5).collect()) for name, table in tables.items()}
    return dg.Output(
        Frames(source=source, folder=folder),
        metadata=metadata
        | {"path": dg.MetadataValue.path(str(folder)), "reused": not built, "sha256": folder_sha256(folder)},
    )


def join(
    workspace: Workspace, users: Features, items: Features, folder: Path, moments: tuple[datetime, datetime]
) -> None:
    """Join every snapshot that training, early stopping and evaluation read; for an update, of what is new to it.

    Args:
        workspace: the run's options.
        users: feature tables of the users.
        items: those of the items.
        folder: where the frames go.
        moments: times at which every user and item has a snapshot; the last one ends the training part.
    """
    tables = read_tables(users.source)
    store = Store(
        tables.schema,
        workspace.settings.feast_home,
        online=workspace.settings.online_store,
        registry=workspace.settings.feature_registry,
    )
    store.apply(users.folder.parent)
    positives = interactions(tables.events, moments[-1], tables.schema.snapshots)
    since, granularity = users.source.since, tables.schema.snapshots
    learned = positives if since is None else new_since(positives, tables.events, since, granularity)
    # An update moves ids by interactions alone.
    shown = tables.impressions if since is None else None
    answers = None if shown is None else answered(shown, moments[-1], granularity)
    asked = query_rows(learned, tables.users["user_id"], moments, answers)
    sold = item_rows(learned, tables.items["item_id"], moments)
    with TableWriter(folder) as writer:
        for name, entity, rows in (("queries", Entity.USER, asked), ("item_snapshots", Entity.ITEM, sold)):
            for part in store.join_parts(entity, rows):
                writer.write(name, part)
    positives.write_parquet(folder / "interactions.parquet")


@dg.asset(group_name="training", compute_kind="pytorch")
def towers(context: dg.AssetExecutionContext, workspace: Workspace, training_set: Frames) -> dg.Output[Version]:
    """User and item tower as one model version; the same input gives the same one."""
    from filelock import FileLock

    source = training_set.source
    registry = Registry(workspace.settings, source.dataset)
    parent = parent_of(workspace, source, read_schema(source))
    check_snapshots(source, parent)
    key = input_key(workspace, source, parent)
    with FileLock(training_set.folder.with_name("towers.lock")):  # of several runs of one input, one trains
        found = None if workspace.retrain else registry.find(key)
        checkpoints = training_set.folder.with_name(f"checkpoints_{key[:12]}")
        version = found or _train(context, workspace, registry, training_set, key, parent, checkpoints)
        shutil.rmtree(checkpoints, ignore_errors=True)
    keep_identity(registry, source)
    summary = registry.summary(version)
    return dg.Output(
        Version(source=source, frames=training_set.folder, version=version, reused=found is not None),
        metadata={
            "version": version,
            "reused": found is not None,
            "MLflow run": dg.MetadataValue.url(registry.run_url(version)),
            "metrics": dg.MetadataValue.json(summary.metrics),
        },
    )


def input_key(workspace: Workspace, source: Source, parent: Parent | None, *, any_seed: bool = False) -> str:
    """Hash everything that decides a version.

    Data, schema, times, recipe, seed, code and base release count. The device of the training does not.

    Args:
        workspace: the run's options.
        source: the run's data.
        parent: base release of an update or a warm start; None for a full training.
        any_seed: whether trainings that differ in the seed alone have the same hash.
    """
    parts = (
        source.sha256,
        read_schema(source).to_json(),
        source.as_of.isoformat(),
        source.validation_start.isoformat(),
        source.cut.isoformat(),
        to_json(_recipe(workspace, source)),
        "any seed" if any_seed else str(workspace.seed),
        f"choice within {workspace.choice_seconds} s" if workspace.chooses else "no choice",
        code_digest(),
        f"{parent.training} of {parent.version}" if parent else Training.FULL,
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _recipe(workspace: Workspace, source: Source) -> TrainConfig:
    """Build the recipe for this dataset."""
    schema = read_schema(source)
    return recipe(
        workspace.recipe, seen_items_may_return=schema.seen_items_may_return, interactions=count_events(source)
    )


def _train(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    registry: Registry,
    frames: Frames,
    key: str,
    parent: Parent | None,
    checkpoints: Path,
) -> int:
    import torch

    from training.trainer.precision import precision_of

    source, tables, config = frames.source, read_tables(frames.source), _recipe(workspace, frames.source)
    tags = {TRAINING: parent.training, PARENT: str(parent.version)} if parent else {TRAINING: Training.FULL}
    tags |= {HOLDOUT: tables.schema.holdout, VALIDATION: tables.schema.validation}
    with registry.run(f"{source.dataset} seed {workspace.seed}", {DAGSTER_RUN: context.run.run_id, **tags}) as run:
        run.log_params({"recipe": workspace.recipe, "seed": workspace.seed, "as_of": source.as_of, "cut": source.cut})
        times = tables.schema, source.validation_start, source.cut, source.holdout_end
        run.log_params(windows(*times))
        run.log_params({f"config.{name}": value for name, value in to_flat(config).items()})
        for name in (DATA_PAGE, DATA_JSON):
            run.log_artifact(data_folder(source) / name)
        run.log_dataset(Lineage(name=source.dataset, path=source.folder, digest=source.sha256[:36]))

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            run.log_epoch({f"validation/{name}": value for name, value in metrics.items()}, epoch)
            shown = ", ".join(f"{name} {metrics[name]:.4f}" for name in worth_a_line(metrics))
            context.log.info(f"epoch {epoch}: {shown}")

        precision = str(precision_of(config, torch.device(workspace.device))).removeprefix("torch.")
        context.log.info(f"train on {hardware(workspace.device)}, in {precision}")
        fitted = _fit(workspace, frames, tables, on_epoch, parent, checkpoints)
        run.log_figure(training_figure(fitted.epochs), "plots/training.png")
        tags |= {INPUT_KEY: key, SEEDLESS_KEY: input_key(workspace, source, parent, any_seed=True)}
        tags |= {DATA: data_folder(source).name}
        card = _card(workspace, windows_line(*times), fitted)
        return register_towers(run, fitted, tables, tags, asked=config, card=card)
    raise AssertionError("unreachable: the run either returns a version or raises")


def _card(workspace: Workspace, windows: str, fitted: "Fitted") -> str:
    """Describe a version for its page in MLflow: its recipe, how that was chosen, and its windows.

    Args:
        workspace: the run's options.
        windows: what each part of the time was for.
        fitted: the trained towers.
    """
    lines = [f"Recipe {workspace.recipe}, seed {workspace.seed}.", f"Windows: {windows}."]
    if fitted.tried:
        lines.append(f"Chosen on the validation window, within {workspace.choice_seconds:g} s:")
    return "\n".join([*lines, *(f"- {line}" for line in choice_lines(fitted.tried))])


def _fit(
    workspace: Workspace,
    frames: Frames,
    tables: Tables,
    on_epoch: "OnEpoch",
    parent: Parent | None,
    checkpoints: Path,
) -> "Fitted":
    """Fit towers in full, from a release's weights, or by an update of id embeddings.

    An update takes seconds and keeps no checkpoints.
    """
    from training.fit import fit
    from training.update import fit_update

    source, joined = frames.source, {name: pl.scan_parquet(frames.folder / f"{name}.parquet") for name in FRAMES}
    given: dict[str, Any] = {
        "queries": joined["queries"],
        "item_snapshots": joined["item_snapshots"],
        "positives": joined["interactions"].collect(),
        "events": tables.events,
        "cut": source.cut,
        "seed": workspace.seed,
        "on_epoch": on_epoch,
    }
    if parent and parent.training is Training.UPDATE:
        return fit_update(parent.folder, since=parent.cut, granularity=tables.schema.snapshots, **given)
    asked = _recipe(workspace, source)
    # A warm start goes on with the switches that the release's own choice took.
    chosen = parent is not None and asked_recipe(parent.folder) == asked
    return fit(
        schema=tables.schema,
        config=stored_recipe(parent.folder) if parent and chosen else asked,
        validation_start=source.validation_start,
        impressions=tables.impressions,
        warm_start=parent.folder if parent else None,
        checkpoints=checkpoints,
        device=workspace.device,
        choice_seconds=workspace.choice_seconds if workspace.chooses else 0.0,
        **given,
    )


def worth_a_line(metrics: dict[str, float]) -> list[str]:
    """Choose the metrics for the log: losses, recall@20 of each view, a trial's score."""
    named, parts = ("loss", "refit"), ("recall@20", "score")
    return [name for name in metrics if name in named or (name.count("/") == 1 and name.endswith(parts))]


def hardware(device: str) -> str:
    """Name what a training runs on.

    The instructions and threads of the processor, or the accelerator.
    """
    import torch

    if device == "cpu":
        return f"cpu ({torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads)"
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device
