"""Markdown for the pages of assets in Dagster: tables, lists and figures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def preview(table: pl.DataFrame, rows: int = 5) -> dg.MetadataValue:
    """Show the first rows as a table; long cells are cut."""
    # A history of hundreds of items would fill the page of an asset.
    short = table.head(rows).with_columns(
        pl.col(name).list.head(3).cast(pl.List(pl.String)).list.join(", ") + ", ..."
        for name, type_ in table.schema.items()
        if isinstance(type_, pl.List)
    )
    text = short.select(pl.all().cast(pl.String).str.head(40).str.replace_all(r"[|\p{Cc}\u{2028}]", " ").fill_null(""))
    lines = [text.columns, ["---"] * text.width, *text.rows()]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(line)} |" for line in lines))


def as_markdown(figure: Figure) -> str:
    """Embed a figure as an image: Dagster shows pictures in Markdown only."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=70)
    return picture(buffer.getvalue())


def picture(png: bytes) -> str:
    """Embed a picture."""
    return f"![plot](data:image/png;base64,{b64encode(png).decode()})"


def bullets(reasons: Sequence[str]) -> str:
    """List reasons, one a line; values of the data in them are no markup."""
    return "\n".join(f"- {escape(reason, quote=False)}" for reason in reasons)


def one_a_line(sentences: Iterable[str]) -> str:
    """Put each sentence on a line of its own, on a terminal and in Markdown, which breaks a line after two spaces."""
    return "  \n".join(sentences)
