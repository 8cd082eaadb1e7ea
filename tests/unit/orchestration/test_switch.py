"""Nothing runs by itself until the switch is on."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.defs.switch import VARIABLE, schedule_status, sensor_status


@pytest.mark.parametrize(("value", "runs"), [(None, False), ("", False), ("off", False), ("on", True)])
def test_schedules_and_sensors_have_one_switch(monkeypatch: pytest.MonkeyPatch, value: str | None, runs: bool) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    assert (schedule_status() is dg.DefaultScheduleStatus.RUNNING) is runs
    assert (sensor_status() is dg.DefaultSensorStatus.RUNNING) is runs


def test_a_word_that_is_no_position_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "true")
    with pytest.raises(ValueError, match="GATEHOUSE_SCHEDULES='true': wanted on or off"):
        sensor_status()
