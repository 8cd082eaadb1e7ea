"""Schema of a collection in Milvus: id, embedding, and the stored fields by number."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.schema import ITEM_ID
from serving.index.base import MAX_BYTES, MAX_ELEMENTS, Fields
from serving.index.stored_fields import companion, numbered

if TYPE_CHECKING:
    from pymilvus import CollectionSchema

VECTOR = "embedding"


def collection_schema(fields: Fields, dim: int, columns: Collection[str]) -> CollectionSchema:
    """Schema of a collection.

    Args:
        fields: its fields.
        dim: width of its vectors.
        columns: its columns, as of `filled`.
    """
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(enable_dynamic_field=False)
    schema.add_field(ITEM_ID, DataType.VARCHAR, is_primary=True, max_length=MAX_BYTES)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    for name, stored_as in numbered(fields.types).items():
        type_ = fields.types[name]
        if type_ == pl.String:
            schema.add_field(stored_as, DataType.VARCHAR, max_length=MAX_BYTES)
        elif type_ == pl.Float64:
            schema.add_field(stored_as, DataType.DOUBLE)
        elif type_ == pl.Int64:
            schema.add_field(stored_as, DataType.INT64)
        else:
            text = {"element_type": DataType.VARCHAR, "max_length": MAX_BYTES, "max_capacity": MAX_ELEMENTS}
            schema.add_field(stored_as, DataType.ARRAY, **text)
        if companion(stored_as) in columns:
            schema.add_field(companion(stored_as), DataType.BOOL)
    return schema
