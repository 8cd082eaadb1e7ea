"""Schema of a collection in Milvus: id, embedding, and the stored fields by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from feature_repo.schema import ITEM_ID
from serving.index.base import MAX_BYTES, MAX_ELEMENTS, Fields
from serving.index.stored_names import numbered

if TYPE_CHECKING:
    from pymilvus import CollectionSchema

VECTOR = "embedding"


def collection_schema(fields: Fields, dim: int) -> CollectionSchema:
    """Schema of a collection of unit vectors of `dim` numbers."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(enable_dynamic_field=False)
    schema.add_field(ITEM_ID, DataType.VARCHAR, is_primary=True, max_length=MAX_BYTES)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    for name, stored_as in numbered(fields.types).items():
        type_ = fields.types[name]
        if type_ == pl.String:
            schema.add_field(stored_as, DataType.VARCHAR, max_length=MAX_BYTES, nullable=True)
        elif type_ == pl.Float64:
            schema.add_field(stored_as, DataType.DOUBLE, nullable=True)
        elif type_ == pl.Int64:
            schema.add_field(stored_as, DataType.INT64, nullable=True)
        else:
            text = {"element_type": DataType.VARCHAR, "max_length": MAX_BYTES, "max_capacity": MAX_ELEMENTS}
            schema.add_field(stored_as, DataType.ARRAY, nullable=True, **text)
    return schema
