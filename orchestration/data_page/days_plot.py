"""Plot of the events by day, as inline SVG in the colour of the text."""

from __future__ import annotations

from datetime import date

import polars as pl

WIDTH, HEIGHT, TOP, BOTTOM = 720, 150, 18, 22
BARS = 400
"""Most bars: of a longer log each is a week, a month or a year. Times end within 400 years."""
STEPS = {"day": ("1d", 1), "week": ("1w", 7), "month": ("1mo", 30), "year": ("1y", 365)}
"""Length of a bar, as polars writes it and in days."""


def days_svg(days: pl.Series, events: pl.Series, mark: date | None) -> str:
    """Bars of the number of events.

    Args:
        days: days with an event, in order.
        events: their number of events.
        mark: day of the last event of the former log, which gets a line; None for none.
    """
    frame = pl.DataFrame({"day": days, "events": events})
    first, last = days[0], days[-1]
    span = (last - first).days + 1
    name = next(name for name, (_, length) in STEPS.items() if span / length <= BARS)
    step, length = STEPS[name]
    bars = frame.group_by(pl.col("day").dt.truncate(step)).agg(pl.col("events").sum()).sort("day")
    most = max(bars["events"])
    # A bar starts where its days start, so that empty days are gaps.
    at = ((bars["day"] - first).dt.total_days() / span * WIDTH).clip(lower_bound=0)
    wide = max(1.0, WIDTH / span * length - 0.4)
    height = bars["events"] / most * (HEIGHT - TOP - BOTTOM)
    base = HEIGHT - BOTTOM
    path = "".join(f"M{x:.1f} {base}v-{h:.1f}h{wide:.1f}v{h:.1f}z" for x, h in zip(at, height, strict=True))
    lines = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Events by {name}">',
        f'<path d="M0 {base + 0.5}H{WIDTH}" stroke="currentColor" opacity=".4"/>',
        f'<path d="{path}" fill="currentColor" opacity=".55"/>',
        f'<text x="0" y="12">events by {name}, at most {most:,}</text>',
        f'<text x="0" y="{HEIGHT - 6}">{first}</text>',
        f'<text x="{WIDTH}" y="{HEIGHT - 6}" text-anchor="end">{last}</text>',
    ]
    if mark and first < mark < last:
        x = ((mark - first).days + 1) / span * WIDTH
        lines.append(f'<path d="M{x:.1f} {TOP}V{base}" stroke="currentColor" stroke-dasharray="3 3"/>')
        anchor = "end" if x > WIDTH / 2 else "start"
        lines.append(f'<text x="{x:.1f}" y="12" text-anchor="{anchor}">the last version\'s data ended here</text>')
    return "\n".join([*lines, "</svg>"])
