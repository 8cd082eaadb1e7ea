"""Tables of the benchmark of shapes, and where the default loses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.benchmarks.shapes.measure import METRICS, SIMPLE, STRONG, TWO_TOWER, Shape

COLUMNS = (TWO_TOWER, *SIMPLE, *STRONG)


def table(shapes: Sequence[Shape], metric: str) -> Iterator[str]:
    """Lines of a table in Markdown: a row for each shape and view.

    Args:
        shapes: measured shapes.
        metric: name of the metric.
    """
    label = metric.replace("recall", "Recall").replace("ndcg", "NDCG")
    yield f"**{label}**\n"
    yield f"| shape | view | users | {' | '.join(COLUMNS)} | lead over the best simple one (95 %) |"
    yield f"|---|---|{'---:|' * (len(COLUMNS) + 1)}---|"
    for shape in shapes:
        for view in shape.views:
            yield _row(shape, view, f"{view}/{metric}")


def _row(shape: Shape, view: str, name: str) -> str:
    cells = [_number(shape.mean(system, name)) if system in shape.systems else "" for system in COLUMNS]
    best = shape.best_simple(name)
    cells[COLUMNS.index(best)] = f"**{cells[COLUMNS.index(best)]}**"
    low, high = shape.lead(best, name)
    return (
        f"| {shape.name} | {view} | {shape.users(view):,} | {' | '.join(cells)} | "
        f"{_signed(low)} to {_signed(high)}: {outcome(low, high)} |"
    )


def losses(shapes: Sequence[Shape]) -> list[str]:
    """Sentences on every view in which a baseline of the table beats the default.

    A baseline beats it if the whole interval of the paired lead lies below zero.
    """
    found = []
    for shape in shapes:
        for name in (f"{view}/{metric}" for view in shape.views for metric in METRICS):
            for system in COLUMNS[1:]:
                low, high = shape.lead(system, name) if system in shape.systems else (0.0, 0.0)
                if high < 0:
                    means = f"{_number(shape.mean(TWO_TOWER, name))} against {_number(shape.mean(system, name))}"
                    lead = f"{_signed(low)} to {_signed(high)}"
                    found.append(f"{shape.name}, {name}: two_tower loses to {system}, {means} (lead {lead})")
    return found


def outcome(low: float, high: float) -> str:
    """Word for an interval of a lead: leads, level or loses."""
    return "leads" if low > 0 else "loses" if high < 0 else "level"


def _number(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("0.", ".", 1)
