"""Feature views that many datasets share: declarations; `tables/` computes them."""

from __future__ import annotations

from feature_repo.feature import Feature, Kind
from feature_repo.schema import Entity, View


def user_activity_view(*, value: bool, basket: bool) -> View:
    """Activity of a user before the snapshot: counts, recency, spend.

    Args:
        value: whether the events have a value.
        basket: whether the events have a basket.
    """
    windows = tuple(
        Feature(name=f"events_{span}", kind=Kind.NUMERIC, minimum=0, max_null_share=0, description=f"events, {text}")
        for span, text in (("7d", "last 7 days"), ("28d", "last 28 days"), ("all", "ever"))
    )
    recency = (Feature(name="last_event", kind=Kind.TIMESTAMP, description="time of the last event"),)
    first = (Feature(name="first_event", kind=Kind.TIMESTAMP, description="time of the first event"),)
    spend = (
        Feature(name="spend_28d", kind=Kind.NUMERIC, description="sum of event values, last 28 days"),
        Feature(name="spend_all", kind=Kind.NUMERIC, description="sum of event values, ever"),
    )
    baskets = (Feature(name="basket_size", kind=Kind.NUMERIC, minimum=0, description="mean events per basket, ever"),)
    features = windows + recency + first + (spend if value else ()) + (baskets if basket else ())
    return View(name="user_activity", entity=Entity.USER, features=features, description="counts, recency, spend")


def user_history_view(length: int = 200) -> View:
    """Last distinct items of a user before the snapshot, newest first.

    Each comes with its last time, count and decayed count.
    """
    feature = Feature(name="history", kind=Kind.HISTORY, length=length, description="last items, newest first")
    return View(name="user_history", entity=Entity.USER, features=(feature,), description="last items with counts")


def item_statistics_view(*, value: bool) -> View:
    """Statistics of an item before its weekly snapshot."""
    counts = tuple(
        Feature(name=f"popularity_{span}", kind=Kind.NUMERIC, minimum=0, description=f"events, {text}")
        for span, text in (("7d", "last 7 days"), ("28d", "last 28 days"), ("all", "ever"))
    )
    first = (Feature(name="first_sale", kind=Kind.TIMESTAMP, description="time of the first event"),)
    price = (Feature(name="price_28d", kind=Kind.NUMERIC, description="mean event value, last 28 days"),)
    return View(
        name="item_statistics",
        entity=Entity.ITEM,
        features=counts + first + (price if value else ()),
        description="popularity, price, age",
    )
