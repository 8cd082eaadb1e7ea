"""Items that are nearest to an item."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.http.bodies import Failure, Similar
from serving.http.limits import check_filter, check_id, check_list, check_number
from serving.http.routes.recommendations import FAILURES, Exclude, Filter, K
from serving.http.service import Service, ask_one

router = APIRouter(tags=["items"])
MISSING = {"model": Failure, "description": "The release does not have the item"}


@router.get(
    "/v1/items/{item_id:id}/similar",
    response_model=None,
    responses={200: {"model": Similar}, 404: MISSING, **FAILURES},
)
async def similar(request: Request, item_id: str, k: K = 20, filter: Filter = None, exclude: Exclude = ()) -> Response:
    """List the items of the highest cosine with an item, best first."""
    service: Service = request.app.state.service
    check_id("item_id", item_id)
    check_number("k", k, service.settings.max_k)
    check_list("exclude", exclude, service.settings.max_excluded)
    check_filter(filter)
    question = {"op": "similar", "item_id": item_id, "k": k, "where": filter, "exclude": exclude}
    return await ask_one(request, question)
