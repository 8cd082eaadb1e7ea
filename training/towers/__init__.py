"""The towers: encoded features to embeddings. A tower knows nothing of losses."""

from training.towers.distinct import distinct
from training.towers.embedding import embed
from training.towers.items import ItemVectors, codes_of, items_of_codes
from training.towers.rescorer import Rescorer
from training.towers.tower import ItemTower, UserTower
from training.towers.two_tower import TwoTower, new_model

__all__ = [
    "ItemTower",
    "ItemVectors",
    "Rescorer",
    "TwoTower",
    "UserTower",
    "codes_of",
    "distinct",
    "embed",
    "items_of_codes",
    "new_model",
]
