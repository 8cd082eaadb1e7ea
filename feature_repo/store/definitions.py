"""Feast's entities, sources, views and services of a schema.

Every stored name ends in the schema's digest. Applying another schema so adds views,
and never changes those of a kept release: Feast drops the old fields of a view online
when the view is applied with others.

Views have no time to live. Feast enforces it offline but ignores it online, so that
training would see nulls where serving sees values. Ages are features instead, computed
when a row is encoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Column, Entity, Schema, View, stored_name

if TYPE_CHECKING:
    import feast


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """Feast objects of a schema."""

    project: str
    """Name of the dataset."""
    entities: tuple[feast.Entity, ...]
    """Users and items."""
    views: tuple[feast.FeatureView, ...]
    """Views in the schema's order."""
    services: tuple[feast.FeatureService, ...]
    """One service for each tower."""


def view_name(schema: Schema, view: View) -> str:
    """Name of the Feast view, its source and its online table."""
    return f"{view.name}_{schema.digest}"


def table_name(schema: Schema, view: View) -> str:
    """Name of Feast's table of a view's online rows."""
    return f"{stored_name(schema.dataset)}_{view_name(schema, view)}"


def service_name(schema: Schema, entity: Entity) -> str:
    """Name of the Feast service of an entity's tower: all its views."""
    return f"{stored_name(schema.dataset)}_{entity.value}_{schema.digest}"


def table_path(folder: Path, view: View) -> Path:
    """Path of a view's feature table: `{folder}/{entity}/{view}.parquet`."""
    return folder / view.entity.value / f"{view.name}.parquet"


def define(schema: Schema, folder: Path) -> Definitions:
    """Feast objects of a schema, whose tables lie at `table_path(folder, view)`.

    Nothing is read or registered.
    """
    import feast

    entities = {
        entity: feast.Entity(name=entity.value, join_keys=[entity.key], value_type=feast.ValueType.STRING)
        for entity in Entity
    }
    views = {view.name: _feature_view(schema, view, entities[view.entity], folder) for view in schema.views}
    services = tuple(
        feast.FeatureService(
            name=service_name(schema, entity),
            features=[views[view.name] for view in schema.views_of(entity)],
            description=f"input of the {entity.value} tower",
        )
        for entity in Entity
        if schema.views_of(entity)
    )
    return Definitions(
        project=stored_name(schema.dataset),
        entities=tuple(entities.values()),
        views=tuple(views.values()),
        services=services,
    )


def _feature_view(schema: Schema, view: View, entity: feast.Entity, folder: Path) -> feast.FeatureView:
    import feast

    name = view_name(schema, view)
    source = feast.FileSource(
        name=name,
        path=str(table_path(folder.absolute(), view)),
        timestamp_field=ENTITY_TIME,
        created_timestamp_column=CREATED_TIME,
    )
    return feast.FeatureView(
        name=name,
        entities=[entity],
        schema=_fields(view),
        source=source,
        ttl=None,
        online=True,
        description=view.description,
    )


def _fields(view: View) -> list[feast.Field]:
    """One field per stored column, and one for the key."""
    import feast
    from feast import types

    # Without a field for the key, Feast opens the file to learn its type.
    feast_types: dict[Column, types.FeastType] = {
        Column.STRING: types.String,
        Column.INT: types.Int64,
        Column.FLOAT: types.Float64,
        Column.STRINGS: types.Array(types.String),
        Column.INTS: types.Array(types.Int64),
        Column.FLOATS: types.Array(types.Float32),
    }
    return [feast.Field(name=view.entity.key, dtype=types.String)] + [
        feast.Field(name=name, dtype=feast_types[column], description=feature.description)
        for feature in view.features
        for name, column in feature.columns.items()
    ]
