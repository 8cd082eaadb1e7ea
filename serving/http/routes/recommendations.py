"""Recommendations of one user, and of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from serving.http.batcher import Answered, Question
from serving.http.bodies import FROM_1, PART, Failure, Id, ManyUsers, Recommended, RecommendedToMany, User
from serving.http.experiments.exploring import tell_certain
from serving.http.limits import MAX_SESSION, check_filter, check_id, check_list, check_number
from serving.http.service import Service, ask, refuse, reply, reply_one

router = APIRouter(tags=["recommendations"])
FAILURES: dict[int | str, dict[str, Any]] = {
    422: {"model": Failure, "description": "Something in the request cannot be used"},
    503: {"model": Failure, "description": "Overload, or no release is loaded; Retry-After says when to ask again"},
}
WHERE = 'Filter on items, such as `department == "GROCERY" and price_28d < 5`.'
K = Annotated[int, Query(description="Number of items.", json_schema_extra=FROM_1)]
Filter = Annotated[str | None, Query(description=WHERE)]
Exclude = Annotated[tuple[Id, ...], Query(description="Item to leave out; may be repeated.")]
Seen = Annotated[bool, Query(description="Leave out everything the user has seen, also where seen items may return.")]
Takes = Annotated[bool, Query(description=PART)]


@router.get(
    "/v1/recommendations/{user_id:id}", response_model=None, responses={200: {"model": Recommended}, **FAILURES}
)
async def recommend(
    request: Request,
    user_id: str,
    k: K = 20,
    filter: Filter = None,
    exclude_seen: Seen = False,
    exclude: Exclude = (),
    experiment: Takes = True,
) -> Response:
    """Recommend items to a user. An unknown user gets popular items, flagged `unknown`."""
    service: Service = request.app.state.service
    check_id("user_id", user_id)
    questions = questions_of(service, [User(user_id=user_id)], k, filter, exclude_seen, exclude)
    return reply_one(request, await _ask(request, questions, takes_part=experiment))


@router.post("/v1/recommendations", response_model=None, responses={200: {"model": RecommendedToMany}, **FAILURES})
async def recommend_to_many(request: Request, body: ManyUsers) -> Response:
    """Recommend items to many users, all by one release, or each by the own variant of a running experiment."""
    service: Service = request.app.state.service
    users = [*(User(user_id=user_id) for user_id in body.user_ids), *body.users]
    ids = [user.user_id for user in users]
    check_list("user_ids and users", ids, service.settings.max_users, fewest=1)
    questions = questions_of(service, users, body.k, body.filter, body.exclude_seen, body.exclude)
    answered = await _ask(request, questions, takes_part=body.experiment)
    broken = [answer["error"] for answer in answered.answers if "error" in answer]
    if len(broken) == len(questions):
        raise refuse(broken[0])
    told = [{"user_id": user} | answer for user, answer in zip(ids, answered.answers, strict=True)]
    return reply(request, answered, {"version": answered.version, "answers": told})


async def _ask(request: Request, questions: Sequence[Question], *, takes_part: bool) -> Answered:
    """Answer questions by the variants of the running experiment, if they take part in it."""
    experiments = request.app.state.experiments
    if experiments is None or not takes_part:
        answered = await ask(request, questions)
        tell_certain(answered.answers)
        return answered
    request.state.answered = answered = await experiments.answer(questions, request.state.request_id)
    return answered


def questions_of(
    service: Service, users: Sequence[User], k: int, where: str | None, exclude_seen: bool, exclude: Sequence[str]
) -> list[dict[str, Any]]:
    """Check what is asked, and write a question for each user.

    Args:
        service: the service with its limits.
        users: the users.
        k: number of items.
        where: filter; None for all items.
        exclude_seen: whether seen items are left out where they may return.
        exclude: items that are left out.
    """
    check_number("k", k, service.settings.max_k)
    check_list("exclude", exclude, service.settings.max_excluded)
    check_filter(where)
    for user in users:
        check_list("session", user.session, MAX_SESSION)
    asked = {"op": "recommend", "k": k, "where": where, "exclude": exclude, "exclude_seen": exclude_seen}
    return [{**asked, "user_id": user.user_id, "session": user.session} for user in users]
