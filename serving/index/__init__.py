"""The item index: one contract, kept by exact search in memory and by Milvus."""

from serving.index.base import CollectionInfo, Fields, Hits, ItemIndex
from serving.index.exact import ExactIndex
from serving.index.milvus import MilvusIndex

__all__ = ["CollectionInfo", "ExactIndex", "Fields", "Hits", "ItemIndex", "MilvusIndex"]
