"""The item index: one contract, exact in memory and in Milvus."""

from serving.index.base import CollectionInfo, Fields, Hits, ItemIndex
from serving.index.exact import ExactIndex
from serving.index.milvus import MilvusIndex

__all__ = ["CollectionInfo", "ExactIndex", "Fields", "Hits", "ItemIndex", "MilvusIndex"]
