"""Facts on a release for the front, which has neither its manifest nor its index."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from feature_repo.schema import Entity
from serving.engine.answerer import Answerer

POPULAR_HELD = 1_000
"""Popular items that the front holds for the time without an engine."""


def facts(answerer: Answerer) -> dict[str, Any]:
    """Manifest in short, and the most popular items with their fields."""
    manifest = answerer.release.manifest
    return {
        "dataset": manifest.dataset,
        "version": manifest.version,
        "created": manifest.created.isoformat(),
        "data_until": manifest.as_of.isoformat(),
        "holdout_from": manifest.cut.isoformat(),
        "holdout_days": round((manifest.as_of - manifest.cut) / timedelta(days=1), 1),
        "items": manifest.item_count,
        "dimensions": manifest.dim,
        "verdict": manifest.verdict.outcome.value,
        "override": answerer.release.override,
        "reasons": manifest.verdict.reasons,
        "metrics": manifest.metrics,
        "fields": _fields(answerer),
        "schema": answerer.release.schema.to_json(),
        "popular": _popular(answerer),
    }


def _fields(answerer: Answerer) -> list[dict[str, Any]]:
    """Stored fields of items: those that name an item, and those that a filter may use."""
    stored, schema = answerer.judged.fields, answerer.release.schema
    return [
        {
            "name": feature.name,
            "kind": feature.kind.value,
            "display": feature.display,
            "filterable": feature.name in stored.filterable,
        }
        for feature in schema.features_of(Entity.ITEM)
        if feature.name in stored.types
    ]


def _popular(answerer: Answerer) -> list[dict[str, Any]]:
    withdrawn = set(answerer.offer.withdrawn)
    # Some are not in the index; twice as many are enough.
    counts = dict([each for each in answerer.release.popular if each[0] not in withdrawn][: 2 * POPULAR_HELD])
    # The front leaves the hidden ones out itself, as of the moment of an answer.
    corpus = answerer.judged
    there = [id_ for id_ in counts if corpus.row(id_) is not None][:POPULAR_HELD]
    fields = corpus.stored(corpus.rows(there))
    return [
        {"item_id": id_, "score": float(counts[id_]), "fields": each} for id_, each in zip(there, fields, strict=True)
    ]
