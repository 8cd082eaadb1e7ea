"""Towers: from encoded features to embeddings. A tower knows nothing of losses."""

from training.towers.embed import embed
from training.towers.item_vectors import ItemVectors, codes_of, items_of_codes
from training.towers.rescorer import RescorerModule
from training.towers.two_tower import TwoTower, new_model
from training.towers.unique import distinct
from training.towers.user_item import ItemTower, UserTower

__all__ = [
    "ItemTower",
    "ItemVectors",
    "RescorerModule",
    "TwoTower",
    "UserTower",
    "codes_of",
    "distinct",
    "embed",
    "items_of_codes",
    "new_model",
]
