"""Update between two releases: the champion with the vectors of ids that something happened to since."""

from typing import Any

import dagster as dg
import polars as pl

from feature_repo.errors import InputError
from orchestration.asset_files import read_schema, read_tables
from orchestration.asset_values import Features, Source
from orchestration.defs.checks import require_checked
from orchestration.defs.refit import refit_version
from orchestration.memory import give_back_memory
from orchestration.parent_version import Parent
from orchestration.workspace import Workspace
from serving.gate.policy_file import read_policy
from serving.gate.verdict import Outcome
from serving.registry import Registry, Training
from serving.registry.tags import BASE
from serving.release.judged_twin import judged_twin
from serving.release.load import champion_of, check_may_serve
from serving.release.manifest import Manifest, read, verified_files
from serving.release.promotion import PROMOTED, TakenBackError, promote_challenger


@dg.asset(group_name="updates", compute_kind="pytorch", deps=["online_features"])
def id_update(
    context: dg.AssetExecutionContext, workspace: Workspace, user_features: Features, item_features: Features
) -> dg.MaterializeResult:
    """The champion with vectors of new ids, and of known ones to which something happened; it serves if guards hold.

    It has learned up to the newest event, so it stands beside the judged version of the champion, as a refit does.
    """
    require_checked(user_features)
    require_checked(item_features)
    settings, source = workspace.settings, user_features.source
    registry = Registry(settings, source.dataset)
    champion = read(registry, champion_of(registry))
    check_may_serve(registry, champion)
    twin = read(registry, champion.judged)
    if reason := never_passed(twin) or nothing_new(champion, source):
        context.log.info(reason)
        return dg.MaterializeResult(metadata={"skipped": reason, "champion": champion.version})
    digest = read_schema(source).digest
    if champion.schema_digest != digest:
        raise InputError(
            f"version {champion.version} has another feature schema than these data ({champion.schema_digest}, not "
            f"{digest}): its towers do not take other features. The next release does: `gatehouse run`"
        )
    asked = read_policy(settings.gate_policy).update
    base = _base(registry, champion)
    tags = {BASE: str(base.version)}
    value = refit_version(context, workspace, user_features, item_features, twin, base, asked, tags)
    outcome = read(registry, value.version).verdict.outcome
    serves = outcome is Outcome.PASSED and PROMOTED not in registry.tags(value.version)
    if serves and judged_twin(registry, champion_of(registry)) != twin.version:
        context.log.info(f"version {value.version} is not promoted: another release came meanwhile")
    elif serves:
        try:
            promote_challenger(settings, source.dataset, value.version, started_from=champion.version)
        except TakenBackError as error:
            context.log.info(str(error))
    facts: dict[str, Any] = {"version": value.version, "updated from": base.version, "judged twin": twin.version}
    return dg.MaterializeResult(metadata=facts | {"outcome": outcome.value, "champion": registry.champion() or 0})


def never_passed(twin: Manifest) -> str | None:
    """Say that the champion's quality passed nowhere, so that guards alone let no update serve; None if it did."""
    if twin.verdict.outcome is Outcome.PASSED:
        return None
    return (
        f"no update: version {twin.version}, which was judged, is {twin.verdict.outcome.value} and serves by an "
        "override, which an update would not inherit. The next release that passes is updated"
    )


def nothing_new(champion: Manifest, source: Source) -> str | None:
    """Say that nothing became known since the champion was trained; None if something did."""
    events = read_tables(source).events
    known = events.select(pl.max_horizontal("timestamp", "created").max()).item()
    if known >= champion.cut:
        return None
    learned = f"version {champion.version} has learned until {champion.cut}"
    return f"nothing to update by: {learned}, the newest event is of {known}"


def _base(registry: Registry, champion: Manifest) -> Parent:
    """Last training in full, from which the weights start: updates do not build on updates."""
    version = int(registry.tags(champion.version).get(BASE, champion.version))
    manifest, folder = read(registry, version), registry.download(version)
    verified_files(folder, manifest)
    return Parent(training=Training.UPDATE, version=version, folder=folder, cut=manifest.cut)


update_job = dg.define_asset_job(
    "update_job",
    selection=dg.AssetSelection.assets(
        "events", "users", "items", "user_features", "item_features", "online_features", "id_update"
    ),
    executor_def=dg.in_process_executor,
    hooks={give_back_memory},  # all steps run in one process
    description="From the raw log to the champion with the vectors of new ids, if the guards hold.",
)
