"""Manifests between versions of Gatehouse: what was added is no reason not to read one."""

from __future__ import annotations

import json
from datetime import datetime

from serving.gate.verdict import Outcome, PolicyText, Verdict
from serving.release.manifest import Manifest

NOW = datetime(2024, 3, 1)
POLICY = PolicyText(text="index_recall: 0.95\n", sha256="ab12")
SINCE_THE_COLLECTION_IS_IN_THE_RUN = {
    "dataset", "version", "input_key", "schema_digest", "services", "collection", "alias", "dim", "item_count",
    "items_fingerprint", "created", "as_of", "cut", "against", "files", "metrics", "verdict", "training", "parent",
    "index_proof", "collection_sha256",
}  # fmt: skip
"""Keys that a reader of then knows; it refuses any other."""


def manifest(policy: PolicyText | None = POLICY) -> Manifest:
    return Manifest(
        dataset="shop",
        version=3,
        input_key="key",
        schema_digest="digest",
        services={"user": "shop_user_1"},
        collection="shop_items_v3",
        alias="shop_items",
        dim=4,
        item_count=10,
        items_fingerprint="print",
        created=NOW,
        as_of=NOW,
        cut=NOW,
        against=None,
        files={"user_tower.pt2": "hash"},
        metrics={"all/recall@20": 0.5},
        verdict=Verdict(Outcome.PASSED, ("passed: all",), policy),
    )


def test_the_policy_is_kept_with_the_verdict() -> None:
    again = Manifest.from_json(manifest().to_json())
    assert again == manifest()
    assert again.verdict.policy == POLICY


def test_a_reader_of_before_finds_no_key_that_it_does_not_know() -> None:
    """It took outcome and reasons out of the verdict, and every key of the manifest itself."""
    raw = json.loads(manifest().to_json())
    assert set(raw) == SINCE_THE_COLLECTION_IS_IN_THE_RUN
    assert raw["verdict"].keys() == {"outcome", "reasons", "policy", "rules"}


def test_a_manifest_of_before_has_no_policy() -> None:
    raw = json.loads(manifest().to_json())
    del raw["verdict"]["policy"], raw["index_proof"], raw["collection_sha256"]
    assert Manifest.from_json(json.dumps(raw)) == manifest(None)


def test_a_manifest_of_later_is_read_by_what_is_known() -> None:
    raw = json.loads(manifest().to_json()) | {"windows": 3}
    assert Manifest.from_json(json.dumps(raw)) == manifest()
