"""Templates and files of the page, and the headers that let nothing else in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib import resources
from typing import Any

from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
"""No inline script or style, nothing of another site, and no site that shows this page within its own."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    # htmx gets a part of what a browser gets from the same address.
    "Vary": "HX-Request",
}
MEDIA_TYPES = {"page.css": "text/css; charset=utf-8", "htmx.min.js": "text/javascript; charset=utf-8"}
FILES = {name: (resources.files(__package__) / "static" / name).read_bytes() for name in MEDIA_TYPES}
"""Content of the static files by name."""
HASHES = {name: sha256(content).hexdigest()[:12] for name, content in FILES.items()}


def render(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Fill a template; every value in it is escaped.

    Args:
        template: name of the template.
        status: HTTP status.
        values: values by name.
    """
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(values), status, HEADERS)


def static(name: str) -> Response | None:
    """Response with a static file, which may be kept for ever since its address has its hash; None if there is none."""
    if name not in FILES:
        return None
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(FILES[name], media_type=MEDIA_TYPES[name], headers=headers)


def static_url(name: str) -> str:
    """Address of a static file."""
    return f"/page/static/{name}?v={HASHES[name]}"


def age(time: str | None) -> str:
    """Time since a moment in words, in the largest whole unit."""
    if time is None:
        return "unknown"
    seconds = (datetime.now(UTC).replace(tzinfo=None) - datetime.fromisoformat(time)).total_seconds()
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if (count := int(seconds // length)) >= 1:
            return f"{count:,} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def name_of(item: Mapping[str, Any], fields: Iterable[Mapping[str, Any]]) -> str:
    """Name of an item for people: its displayed fields, else its id."""
    shown = [item["fields"].get(field["name"]) for field in fields if field["display"]]
    return " · ".join(str(value) for value in shown if value not in (None, "", [])) or str(item["item_id"])


def filter_example(facts: Mapping[str, Any] | None) -> str:
    """Filter that some popular item of a release matches; empty where nothing can be filtered by."""
    if facts is None:
        return ""
    for name in (field["name"] for field in facts["fields"] if field["filterable"]):
        for value in (item["fields"].get(name) for item in facts["popular"]):
            if isinstance(value, str) and value.isprintable() and not {'"', "\\"} & set(value):
                return f'{name} == "{value}"'
            if isinstance(value, float | int):
                return f"{name} <= {value:g}"
    return ""


_ENVIRONMENT = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.globals |= {"static_url": static_url}
_ENVIRONMENT.filters |= {"age": age}
