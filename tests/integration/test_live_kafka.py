"""A service whose event log is in Kafka: a click changes the next answer, and a broker that is away loses nothing."""

from __future__ import annotations

import json
from itertools import count

import pytest

from tests.integration.fresh_world import click, fresh_release, fresh_tables, history_of
from tests.integration.release_world import DATASET
from tests.integration.serving_world import serving
from tests.integration.test_live_events import another_item, ask, ids, until
from tests.kafka_cluster import mock_cluster

pytestmark = pytest.mark.timeout(240)


def test_a_click_changes_the_next_answer_and_an_outage_loses_none(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, numbers = fresh_release(tmp_path_factory.mktemp("fresh"), fresh_tables()), count()
    with mock_cluster() as cluster:
        for topic in ("clicks", "clicks_forgotten"):
            cluster.make(topic)
        client = {"bootstrap.servers": cluster.servers, "message.timeout.ms": 2_000}
        monkeypatch.setenv("GATEHOUSE_EVENT_LOG", json.dumps({"type": "kafka", "topic": "clicks", **client}))
        with serving(home) as served:
            served.wait(1)
            before = ask(served, "user001")
            item = another_item(before, history_of(home, "user001"))
            first = click(next(numbers), "user001", item)
            assert served.get("/v1/events", first)[1]["accepted"] == 1
            assert item in ids(until(lambda: ids(told := ask(served, "user001")) != ids(before) and told))
            cluster.stop()
            second = click(next(numbers), "user001", item)
            status, told, headers = served.get("/v1/events", second)
            assert (status, headers["Retry-After"]) == (503, "5")
            assert "no answer of Kafka" in told["error"]
            assert "events" in served.state()["problems"]
            assert ask(served, "user001")["source"] == "two_tower"
            cluster.start()
            known = until(lambda: (sent := served.get("/v1/events", [first, second]))[0] == 200 and sent[1])["known"]
            assert first["event_id"] in known
            until(lambda: history_of(home, "user001")[item] == 2)
            until(lambda: served.metric("gatehouse_consumer_lag_events") == 0)
            served.until(lambda state: not state["problems"])
            assert history_of(home, "user001")[item] == 2
            assert not home.event_log(DATASET).exists()
