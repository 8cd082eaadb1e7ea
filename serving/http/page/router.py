"""Routes of the page."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from serving.http.batcher import OverloadedError
from serving.http.champion import RegistryAwayError
from serving.http.errors import ApiError
from serving.http.limits import MAX_ID
from serving.http.page.answers import SESSION, PageQuestion, Shown, shown
from serving.http.page.beside import compared
from serving.http.page.click import require_own_page, shown_after_click
from serving.http.page.render import HEADERS, filter_example, render, static
from serving.http.service import Service

router = APIRouter(include_in_schema=False)
KNOWN_USERS = 20
"""Most users that the search box offers."""
Text = Annotated[str, Query()]
Texts = Annotated[tuple[str, ...], Query()]


def question(
    request: Request,
    user: Text = "",
    of: Text = "",
    session: Texts = (),
    click: Text = "",
    where: Annotated[str, Query(alias="filter")] = "",
    start: Text = "",
    is_try: Annotated[str, Query(alias="try")] = "",
    beside: Text = "",
) -> PageQuestion:
    """Read what the page asks.

    Args:
        request: the request.
        user: id in the search box.
        of: user that the session belongs to: another user begins a new one.
        session: items that were clicked, the oldest first.
        click: item that is clicked now.
        where: filter.
        start: `over` for no session, `new` for a user who is made up.
        is_try: anything, if clicks are no events.
        beside: version to compare with; `none` for none.
    """
    user = "" if start == "new" else user.strip()
    met = () if start or user != of else session
    return PageQuestion(
        user=user,
        session=tuple(filter(None, (*met, click)))[-SESSION:],
        where=where.strip(),
        is_try=bool(is_try),
        beside="" if beside == "none" else beside,
    )


Asked = Annotated[PageQuestion, Depends(question)]


@router.get("/")
async def page(request: Request, asked: Asked) -> Response:
    """Show the page, or to htmx the part of it that changes."""
    return await _page(request, asked, shown(request, asked))


@router.post("/page/click")
async def click(request: Request) -> Response:
    """Keep the click of a known user as an event, and show the next list."""
    require_own_page(request)
    form = {name: values[-1] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    # The user whose list it is: another id may stand in the search box by now.
    user, where, beside = (form.get(name, "") for name in ("of", "filter", "beside"))
    asked = question(request, user=user, where=where, beside=beside)
    place = request.query_params
    after = shown_after_click(
        request, asked, form.get("click", ""), place.get("request", ""), place.get("position", "")
    )
    return await _page(request, asked, after)


async def _page(request: Request, asked: PageQuestion, work: Awaitable[Shown]) -> Response:
    """Render the page around a list that is being made.

    Args:
        request: the request.
        asked: what is asked.
        work: makes the list.
    """
    status, found = 200, Shown()
    try:
        found = await work
    except ApiError as error:
        status, found = error.status, Shown(problem=error.message, position=error.details.get("position"))
    except OverloadedError as error:
        request.app.state.service.metrics.refused.labels("overload").inc()
        status, found = 503, Shown(problem=f"too many requests: {error}")
    told = {"asked": asked, "shown": found, "request_id": request.state.request_id, **_release(request)}
    if "hx-request" in request.headers and "hx-history-restore-request" not in request.headers:
        return render("ask.html", status, **told)
    if request.method == "POST" and status == 200:  # or the page would be posted again when it is loaded again
        return RedirectResponse(asked.address, 303, HEADERS)
    return render("page.html", status, **told)


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


@router.get("/page/beside")
async def versions(request: Request, asked: Asked) -> Response:
    """Show the version that serves beside another one, which a second engine loads."""
    reader, facts = request.app.state.versions, request.app.state.service.supervisor.facts
    both, problem = None, ""
    try:
        stored = await reader.look() if reader and facts else []
        both = await compared(request, asked, stored, facts["version"]) if facts else None
    except RegistryAwayError as error:
        problem = str(error)
    except OverloadedError as error:
        problem = f"too many requests: {error}"
    return render("beside.html", asked=asked, both=both, problem=problem)


@router.get("/page/static/{name}")
async def file(name: str) -> Response:
    """Send a static file."""
    found = static(name)
    if found is None:
        raise ApiError(404, f"the page has no file {name[:MAX_ID]!r}")
    return found


def _release(request: Request) -> dict[str, Any]:
    """Release that serves, and what is wrong with the service."""
    service: Service = request.app.state.service
    supervisor = service.supervisor
    # Before the first release, that is all there is to say.
    problems = list((service.problems if supervisor.facts else supervisor.problems).values())
    example, can_move = filter_example(supervisor.facts), request.app.state.mover is not None
    return {"release": supervisor.facts, "problems": problems, "example": example, "can_move": can_move}
