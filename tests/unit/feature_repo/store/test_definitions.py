"""Feast definitions: every column a field, every name with the digest.

Nothing is read from disk.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from feast import types

from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view
from feature_repo.store.definitions import define, service_name, view_name

SCHEMA = Schema(
    dataset="shop",
    seen_items_may_return=True,
    views=(
        user_activity_view(value=True, basket=False),
        user_history_view(),
        item_statistics_view(value=False),
        View(
            name="item_profile",
            entity=Entity.ITEM,
            features=(
                Feature(name="brand", kind=Kind.CATEGORICAL),
                Feature(name="tags", kind=Kind.MULTI_VALUED, length=3),
                Feature(name="picture", kind=Kind.VECTOR, dim=4),
            ),
        ),
    ),
)


def test_every_column_is_a_field_of_its_type() -> None:
    fields = {field.name: field.dtype for view in define(SCHEMA, Path("nowhere")).views for field in view.features}
    assert list(fields) == [name for view in SCHEMA.views for name in view.columns]
    assert fields["spend_28d"] == types.Float64
    assert fields["last_event"] == types.Int64
    assert fields["history_items"] == types.Array(types.String)
    assert fields["history_counts"] == types.Array(types.Int64)
    assert fields["brand"] == types.String
    assert fields["tags"] == types.Array(types.String)
    assert fields["picture"] == types.Array(types.Float32)


def test_a_view_reads_its_file_by_event_and_created_time() -> None:
    view = define(SCHEMA, Path("/tables")).views[1]
    assert view.batch_source.path == "/tables/user/user_history.parquet"
    assert (view.batch_source.timestamp_field, view.batch_source.created_timestamp_column) == (
        "event_timestamp",
        "created",
    )
    assert view.join_keys == ["user_id"]
    assert view.online
    assert view.ttl in (None, timedelta(0))


def test_one_service_per_entity_holds_all_its_views() -> None:
    user, item = define(SCHEMA, Path("nowhere")).services
    assert user.name == f"shop_user_{SCHEMA.digest}"
    assert item.name == f"shop_item_{SCHEMA.digest}"
    assert [view.name for view in user.feature_view_projections] == [
        f"user_activity_{SCHEMA.digest}",
        f"user_history_{SCHEMA.digest}",
    ]
    assert [view.name for view in item.feature_view_projections] == [
        f"item_statistics_{SCHEMA.digest}",
        f"item_profile_{SCHEMA.digest}",
    ]


def test_another_schema_shares_no_view_and_no_service_name() -> None:
    other = replace(SCHEMA, views=(*SCHEMA.views[:1], user_history_view(length=7), *SCHEMA.views[2:]))
    ours, theirs = define(SCHEMA, Path("nowhere")), define(other, Path("nowhere"))
    assert not {view.name for view in ours.views} & {view.name for view in theirs.views}
    assert not {service.name for service in ours.services} & {service.name for service in theirs.services}
    assert view_name(SCHEMA, SCHEMA.views[0]) != view_name(other, other.views[0])
    assert service_name(SCHEMA, Entity.USER) != service_name(other, Entity.USER)


def test_the_dataset_is_the_project() -> None:
    assert define(SCHEMA, Path("nowhere")).project == "shop"
