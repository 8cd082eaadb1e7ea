"""Entry to the page where a token is needed: a form that asks for it once.

The answer to the right token is a cookie, and not a value in the session storage: the
first page load can send it, and with HttpOnly no script reads it. SameSite=Strict keeps
it from requests that another site makes. It does not hold the token, and opens the page
alone, not `/v1`.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from serving.http.access import COOKIE, FORM
from serving.http.page.render import HEADERS, render

router = APIRouter(include_in_schema=False)


@router.get(FORM)
async def form(request: Request) -> Response:
    """Ask for the token; go on to the page where none is needed."""
    is_needed = request.app.state.access.needs_token and not request.state.trusted
    return render("token.html", 401, wrong=False) if is_needed else _to_page()


@router.post(FORM)
async def enter(request: Request) -> Response:
    """Take the token and set the cookie of the page."""
    access = request.app.state.access
    given = parse_qs((await request.body()).decode("utf-8", "replace")).get("token", [""])[0].strip()
    if not access.needs_token:
        return _to_page()
    if not access.is_token(given.encode()):
        return render("token.html", 401, wrong=True)
    response = _to_page()
    is_secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, access.cookie, httponly=True, samesite="strict", secure=is_secure, path="/")
    return response


def _to_page() -> Response:
    return RedirectResponse("/", 303, HEADERS)
