"""The button that rolls back, on the card of the release."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from serving.http.errors import ApiError
from serving.http.mover import ChampionMover, MoveRefusedError
from serving.http.page.click import require_own_page
from serving.http.page.render import HEADERS, render

router = APIRouter(include_in_schema=False)


@router.post("/page/rollback")
async def roll_back(request: Request) -> Response:
    """Go back to the version that served before the one that the page shows."""
    # As for a click: no other site's page can have a browser send this, with the cookie or on loopback.
    require_own_page(request)
    mover: ChampionMover | None = request.app.state.mover
    if mover is None:
        raise ApiError(404, "this service moves no champion")
    (shown,) = parse_qs((await request.body()).decode("utf-8", "replace")).get("serves", [""])[:1]
    if not shown.isdecimal() or len(shown) > 9:
        raise ApiError(422, "`serves`: wanted the version that the page shows")
    try:
        champion = await mover.roll_back(int(shown))
    except MoveRefusedError as error:
        return render("moved.html", 409, champion=None, problem=str(error))
    if "hx-request" not in request.headers:
        return RedirectResponse("/", 303, HEADERS)
    return render("moved.html", champion=champion, problem=None)
