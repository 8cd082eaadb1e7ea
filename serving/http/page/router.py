"""Routes of the page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from serving.http.batcher import OverloadedError
from serving.http.champion import RegistryAwayError
from serving.http.errors import ApiError
from serving.http.limits import MAX_ID
from serving.http.page.answers import SESSION, PageQuestion, Shown, shown
from serving.http.page.render import render, static
from serving.http.page.versions import beside
from serving.http.service import Service

router = APIRouter(include_in_schema=False)
KNOWN_USERS = 20
"""Most users that the search box offers."""
Text = Annotated[str, Query()]
Texts = Annotated[tuple[str, ...], Query()]


@router.get("/")
async def page(
    request: Request,
    user: Text = "",
    of: Text = "",
    session: Texts = (),
    click: Text = "",
    where: Annotated[str, Query(alias="filter")] = "",
    start: Text = "",
) -> Response:
    """Show the page, or to htmx the part of it that changes.

    Args:
        request: the request.
        user: id in the search box.
        of: user that the session belongs to: another user begins a new one.
        session: items that were clicked, the oldest first.
        click: item that is clicked now.
        where: filter.
        start: `over` for no session, `new` for a user who is made up.
    """
    user = "" if start == "new" else user.strip()
    met = () if start or user != of else session
    asked = PageQuestion(user=user, session=tuple(filter(None, (*met, click)))[-SESSION:], where=where.strip())
    status, found = 200, Shown()
    try:
        found = await shown(request, asked)
    except ApiError as error:
        status, found = error.status, Shown(problem=error.message, position=error.details.get("position"))
    except OverloadedError as error:
        request.app.state.service.metrics.refused.labels("overload").inc()
        status, found = 503, Shown(problem=f"too many requests: {error}")
    is_part = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
    return render("ask.html" if is_part else "page.html", status, asked=asked, shown=found, **_release(request))


@router.get("/page/users")
async def users(request: Request, user: Text = "") -> Response:
    """List known users whose id holds a text, for the search box."""
    service: Service = request.app.state.service
    question = {"op": "users", "text": user.strip()[:MAX_ID], "k": KNOWN_USERS, "where": None, "exclude": ()}
    try:
        answered = await service.answer([question])
    except (ApiError, OverloadedError):
        return render("users.html", user_ids=[])
    return render("users.html", user_ids=answered.answers[0].get("user_ids", []))


@router.get("/page/versions")
async def versions(request: Request) -> Response:
    """Show the champion beside the newest other version that is sealed."""
    reader, facts = request.app.state.versions, request.app.state.service.supervisor.facts
    try:
        stored = await reader.look() if reader and facts else []
    except RegistryAwayError as error:
        return render("versions.html", problem=str(error), both=None)
    return render("versions.html", problem="", both=beside(stored, facts["version"]) if facts else None)


@router.get("/page/static/{name}")
async def file(name: str) -> Response:
    """Send a static file."""
    found = static(name)
    if found is None:
        raise ApiError(404, f"the page has no file {name[:MAX_ID]!r}")
    return found


def _release(request: Request) -> dict[str, Any]:
    """Release that serves, and what is wrong with the service."""
    supervisor = request.app.state.service.supervisor
    problems = list(supervisor.problems.values()) if supervisor.problems else []
    return {"release": supervisor.facts, "problems": problems}
