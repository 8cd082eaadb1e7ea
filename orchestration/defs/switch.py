"""The one switch for whatever runs by itself: schedules, and the sensors that ask for runs or alert."""

from __future__ import annotations

import os

import dagster as dg

VARIABLE = "GATEHOUSE_SCHEDULES"
ON, OFF = "on", "off"


def runs_by_itself() -> bool:
    """Whether the switch is on; it is off by default.

    Raises:
        ValueError: the variable is neither `on` nor `off`.
    """
    found = os.environ.get(VARIABLE) or OFF
    if found not in (ON, OFF):
        raise ValueError(f"{VARIABLE}={found!r}: wanted {ON} or {OFF}")
    return found == ON


def schedule_status() -> dg.DefaultScheduleStatus:
    """Status of a schedule that nobody has started or stopped in Dagster's UI."""
    return dg.DefaultScheduleStatus.RUNNING if runs_by_itself() else dg.DefaultScheduleStatus.STOPPED


def sensor_status() -> dg.DefaultSensorStatus:
    """Status of a sensor that nobody has started or stopped in Dagster's UI."""
    return dg.DefaultSensorStatus.RUNNING if runs_by_itself() else dg.DefaultSensorStatus.STOPPED
