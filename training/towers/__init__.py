"""The towers: encoded features to embeddings. A tower knows nothing of losses."""

from training.towers.embedding import embed
from training.towers.items import ItemVectors, codes_of
from training.towers.tower import ItemTower, UserTower
from training.towers.two_tower import TwoTower, new_model

__all__ = ["ItemTower", "ItemVectors", "TwoTower", "UserTower", "codes_of", "embed", "new_model"]
