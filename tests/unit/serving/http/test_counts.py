"""What the metrics of a service count while it answers."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.unit.serving.http.requests_world import Ask, asked
from tests.unit.serving.http.service_world import World

USER = "/v1/recommendations/anna"
MANY = "/v1/recommendations"


def test_the_data_of_the_features_grow_older_without_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World, ask: Ask) -> None:
        def age(day: int) -> float:
            monkeypatch.setattr("serving.http.metrics.present_time", lambda: datetime(2024, 3, day))
            return float(world.metrics.registry.get_sample_value("gatehouse_feature_age_seconds") or 0)

        assert not age(2) > 0  # nobody was answered
        await ask(USER)
        assert (age(2), age(4)) == (86_400, 3 * 86_400)

    asked(story)


def test_metrics_count_answers_by_source_and_flag() -> None:
    async def story(world: World, ask: Ask) -> None:
        await ask(MANY, {"user_ids": ["a", "b"]})
        await ask(f"{USER}?k=0")
        lines = (await ask("/metrics")).body.decode().splitlines()
        for line in (
            'gatehouse_answers_total{source="two_tower"} 2.0',
            'gatehouse_requests_total{route="/v1/recommendations",status="200"} 1.0',
            'gatehouse_requests_total{route="/v1/recommendations/{user_id:id}",status="422"} 1.0',
            "gatehouse_release_version 1.0",
            "gatehouse_ready 1.0",
            "gatehouse_batch_users_sum 2.0",
            'gatehouse_stage_seconds_count{stage="queue"} 1.0',
        ):
            assert line in lines

    asked(story)
