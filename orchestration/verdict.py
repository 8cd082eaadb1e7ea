"""The verdict on a version: the gate's decision, sealed into the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from feature_repo.schema import Entity
from feature_repo.store.store import Store
from orchestration.asset_files import EMBEDDINGS, read_embeddings, read_schema, version_folder
from orchestration.asset_values import Judged, Version
from orchestration.evaluated import CHAMPION, TWO_TOWER, Evaluated
from serving.gate.bias import Bias
from serving.gate.comparison import Comparison
from serving.gate.measured import Measured
from serving.gate.policy import Policy
from serving.gate.policy_file import read_policy
from serving.gate.rules import decide
from serving.gate.verdict import Verdict
from serving.index.base import CollectionInfo, Fields, ItemIndex
from serving.index.lite_files import open_index
from serving.registry import Registry
from serving.release.collection import store_collection
from serving.release.index_proof import IndexProof, embeddings_problem, prove
from serving.release.manifest import ReleaseError, collection_name, seal
from serving.settings import Settings
from training.artifacts.bias import BiasReport
from training.evaluation import comparison as training_comparison


def seal_verdict(settings: Settings, evaluation: Judged, now: datetime) -> None:
    """Judge an evaluated version by the gate's policy and seal it.

    Args:
        settings: the home, its services and the policy.
        evaluation: the version and its evaluation.
        now: time of the seal, naive UTC.

    Raises:
        LookupError: the version's collection is gone.
        ReleaseError: the version is sealed already with another content, or its collection
            does not hold what was evaluated.
    """
    source = evaluation.version.source
    measured = Evaluated.from_json(evaluation.path.read_text())
    seal_version(
        settings,
        evaluation.version,
        judge(measured, source.cut, read_policy(settings.gate_policy)),
        now=now,
        against=measured.champion,
        metrics=measured.systems[TWO_TOWER].metrics,
    )


def seal_version(
    settings: Settings,
    version: Version,
    verdict: Verdict,
    *,
    now: datetime,
    against: int | None,
    metrics: Mapping[str, float],
) -> None:
    """Seal a version with its verdict and the proof of its index.

    Args:
        settings: the home and its services.
        version: the version, and its source, whose cut ends its training part.
        verdict: the gate's decision.
        now: time of the seal, naive UTC.
        against: champion that it was compared with.
        metrics: what was measured.

    Raises:
        LookupError: the version's collection is gone.
        ReleaseError: the version is sealed already with another content, or its collection
            does not hold what was embedded.
    """
    source = version.source
    schema, name = read_schema(source), collection_name(source.dataset, version.version)
    store = Store(schema, settings.feast_home, online=settings.online_store, registry=settings.feature_registry)
    registry = Registry(settings, source.dataset)
    # By the files of this home where it has them: the engine takes a minute for 92,000 items.
    with open_index(settings, Fields.of(schema), name) as index:
        info, proof = _proven(index, name, version_folder(version) / EMBEDDINGS)
        stored = store_collection(registry, version.version, index, info)
    seal(
        registry,
        version.version,
        verdict,
        index=info,
        proof=proof,
        collection_sha256=stored,
        services={entity: store.service(entity) for entity in Entity},
        created=now,
        as_of=source.as_of,
        cut=source.cut,
        against=against,
        metrics=metrics,
    )


def policy_note(settings: Settings, sealed: Verdict) -> str | None:
    """Say that a sealed verdict is by another policy than the present one; None if it is not, or not known.

    Args:
        settings: the home and its policy.
        sealed: a verdict that a manifest holds.

    Raises:
        ValueError: the present policy cannot be read.
    """
    if sealed.policy is None or sealed.policy.sha256 == read_policy(settings.gate_policy).sha256:
        return None
    return (
        "this version was judged by another policy than the present one, and its verdict is for good:"
        " `gatehouse run --retrain` makes a version that the present one judges"
    )


def judge(measured: Evaluated, cut: datetime, policy: Policy) -> Verdict:
    """Apply the policy to what was measured.

    A champion that could not be measured leaves its rules undecided.

    Args:
        measured: the evaluation of the version, the baselines and the champion.
        cut: start of the version's hold-out.
        policy: what a challenger must show.
    """
    own = measured.systems[TWO_TOWER]
    compared = {
        name: {metric: comparison_of(each) for metric, each in system.comparisons.items()}
        for name, system in measured.systems.items()
    }
    found = Measured(
        metrics=own.metrics,
        users=own.users,
        baselines={name: each for name, each in compared.items() if name not in (TWO_TOWER, CHAMPION)},
        # Empty where the champion could not be measured, which leaves its rules
        # undecided; None, no champion, would pass them.
        champion=compared.get(CHAMPION, {}) if measured.champion else None,
        left_out=measured.left_out,
        index_recall=measured.index_recall,
        latency=measured.latency,
        cut=cut,
        champion_cut=measured.champion_cut,
        champion_note=measured.champion_note,
        parity=measured.parity,
        slice_values=measured.slice_values,
        sanity=measured.sanity.get(TWO_TOWER),
        drift=measured.drift.features if measured.drift else None,
        bias=bias_of(measured.bias),
        drift_against=measured.drift.against if measured.drift else "",
    )
    return decide(found, policy)


def bias_of(found: BiasReport | None) -> Bias | None:
    """Hand a report on bias to the gate, which does not know training."""
    if found is None:
        return None
    names = ("model", "outcome", "reasons", "converged", "convergence")
    return Bias(**{name: getattr(found, name) for name in names})


def comparison_of(compared: training_comparison.Comparison) -> Comparison:
    """Hand a comparison of an evaluation to the gate, which does not know training."""
    return Comparison(**asdict(compared))


def _proven(index: ItemIndex, name: str, embeddings: Path) -> tuple[CollectionInfo, IndexProof]:
    """Describe a collection and prove that it holds what was evaluated.

    Args:
        index: the item index.
        name: the collection.
        embeddings: file of the evaluated embeddings.

    Raises:
        LookupError: the collection is gone.
        ReleaseError: it holds other vectors.
    """
    info = index.info(name)
    if info is None:
        raise LookupError(f"the collection {name} is gone: materialise item_index again")
    problem = embeddings_problem(index, name, *read_embeddings(embeddings))
    if problem:
        raise ReleaseError(f"the collection {name} is not sealed: {problem}; drop it and materialise item_index again")
    return info, prove(index, name)
