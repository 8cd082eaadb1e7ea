"""Mistakes in the service over HTTP."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

APP, BATCHER = "tests/unit/serving/http/test_app.py", "tests/unit/serving/http/test_batcher.py"
SUPERVISOR, STORE = "tests/unit/serving/http/test_supervisor.py", "tests/unit/serving/engine/test_guarded_store.py"
ENGINE = "tests/integration/test_engine.py"

PAGE = "tests/unit/serving/http/page"
SECOND = "tests/unit/serving/http/test_second_engine.py"

IN_SERVICE = [
    Mistake(
        name="a click kept that another site has sent",
        module="serving.http.page.click",
        right="if not is_own:",
        wrong="if False:",
        test=f"{PAGE}/test_click.py::test_another_site_cannot_click",
    ),
    Mistake(
        name="a click kept for the user who is being typed",
        module="serving.http.page.router",
        right='("of", "filter", "beside")',
        wrong='("user", "filter", "beside")',
        test=f"{PAGE}/test_click.py::test_the_event_is_of_the_user_whose_list_it_is_and_keeps_filter_and_version",
    ),
    Mistake(
        name="two second engines at once",
        module="serving.http.second_engine",
        right='        await self._end()\n        logger.info("the second engine loads',
        wrong='        logger.info("the second engine loads',
        test=f"{SECOND}::test_one_engine_at_a_time_answers_all_who_ask",
    ),
    Mistake(
        name="an answer of another version than the champion taken for the command's",
        module="orchestration.local.running_service",
        right='if told["version"] != champion:',
        wrong="if False:",
        test="tests/unit/orchestration/local/test_running_service.py::test_another_answer_does_not_count",
    ),
    Mistake(
        name="a queue without a bound",
        module="serving.http.batcher",
        right="if self.load and self.load + len(questions) > self._queue:",
        wrong="if False:",
        test=f"{BATCHER}::test_a_full_queue_refuses_at_once_and_takes_again_when_it_is_shorter",
    ),
    Mistake(
        name="batches without a bound",
        module="serving.http.batcher",
        right="size + len(self._waiting[0].questions) <= self._batch",
        wrong="True",
        test=f"{BATCHER}::test_what_comes_during_a_batch_forms_the_next",
    ),
    Mistake(
        name="an engine ended with requests in its queue",
        module="serving.http.supervisor",
        right="self._keep(lane.close())",
        wrong="self._keep(lane.engine.end())",
        test=f"{SUPERVISOR}::test_a_new_champion_takes_over_and_the_old_engine_finishes_what_it_has",
    ),
    Mistake(
        name="the former release ended for one that is refused",
        module="serving.http.supervisor",
        right="            self._metrics.refusals.inc()\n",
        wrong="            self._metrics.refusals.inc()\n            self.lane = None\n",
        test=f"{SUPERVISOR}::test_a_refused_release_changes_nothing_and_is_seen",
    ),
    Mistake(
        name="a champion served that has moved back",
        module="serving.http.supervisor",
        right="if self.lane and self.champion not in (None, version):",
        wrong="if False:",
        test=f"{SUPERVISOR}::test_a_champion_that_moves_back_during_the_load_is_not_served",
    ),
    Mistake(
        name="a filter ignored while the engine is away",
        module="serving.http.degraded",
        right='if question["op"] != "recommend" or question["where"]:',
        wrong='if question["op"] != "recommend":',
        test=f"{SUPERVISOR}::test_an_engine_that_dies_is_started_again_and_popular_items_answer_meanwhile",
    ),
    Mistake(
        name="any token accepted",
        module="serving.http.access",
        right="hmac.compare_digest(given, self._token)",
        wrong="bool(given)",
        test=f"{APP}::test_a_token_is_asked_for_everywhere_but_for_health",
    ),
    Mistake(
        name="names of other sites answered on loopback",
        module="serving.http.access",
        right='return is_loopback(_host(headers.get(b"host", b"")))',
        wrong="return True",
        test=f"{APP}::test_without_a_token_only_this_machine_s_names_are_answered",
    ),
    Mistake(
        name="the size of a body believed",
        module="serving.http.edge",
        right="if size > self._settings.max_body_bytes:",
        wrong="if False:",
        test=f"{APP}::test_a_body_is_refused_by_its_announced_and_by_its_real_size",
    ),
    Mistake(
        name="what failed inside told to clients",
        module="serving.http.errors",
        right='ApiError(500, "the service failed; its log has the request id")',
        wrong="ApiError(500, repr(error))",
        test=f"{APP}::test_what_fails_inside_stays_inside",
    ),
    Mistake(
        name="a store that is away asked by every request",
        module="serving.guard",
        right="if self._clock() < self._until:",
        wrong="if False:",
        test=f"{STORE}::test_after_an_error_no_read_is_tried_for_a_growing_while",
    ),
    Mistake(
        name="a version without a passed verdict served",
        module="serving.engine.opening",
        right="    check_may_serve(open_registry(settings, dataset), release.manifest)\n",
        wrong="",
        test=f"{ENGINE}::test_a_version_that_did_not_pass_is_refused",
    ),
    Mistake(
        name="popular items of an absent store not flagged",
        module="serving.engine.answerer",
        right='"flags": {"degraded": f"{error}: {_LEFT[each.source]}"}',
        wrong='"flags": {}',
        test=f"{ENGINE}::test_without_the_store_popular_items_answer_and_filters_hold",
    ),
    Mistake(
        name="sessions searched for while the search is away",
        module="serving.engine.answerer",
        right="return self._popular.answer([replace(each, session=()) for each in requests])",
        wrong="return self._popular.answer(requests)",
        test=f"{ENGINE}::test_without_the_search_popular_items_answer",
    ),
    Mistake(
        name="one bad row that breaks a batch",
        module="serving.engine.answerer",
        right="return [_broken()] if len(requests) == 1 else self._one_by_one(retriever, requests)",
        wrong="return [_broken() for _ in requests]",
        test=f"{ENGINE}::test_a_user_whose_row_breaks_something_fails_alone",
    ),
    Mistake(
        name="an item similar to itself",
        module="serving.similar",
        right="allowed_N[corpus.rows({item_id, *left_out})] = False",
        wrong="allowed_N[corpus.rows(left_out)] = False",
        test=f"{ENGINE}::test_similar_items_are_the_nearest_without_itself_and_the_withdrawn",
    ),
    Mistake(
        name="a caller's mistake taken for a service that is away",
        module="serving.guard",
        right="except self._errors as error:",
        wrong="except Exception as error:",
        test=f"{STORE}::test_a_row_that_cannot_be_read_is_no_failure_of_the_store",
    ),
]
