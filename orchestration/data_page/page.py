"""Page on the data of a run: its profile, and the findings on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestration.data_page.column_rules import COLUMN_RULES
from orchestration.data_page.finding import Finding
from orchestration.data_page.log_rules import LOG_RULES
from orchestration.data_page.own_rules import OWN_RULES
from orchestration.data_page.profile import Profile


@dataclass(frozen=True, kw_only=True)
class Page:
    """Data of a run, and what there is to say of it."""

    profile: Profile
    """Profile of the data."""
    findings: tuple[Finding, ...]
    """Warnings and failures."""
    former: Profile | None
    """Profile of the last version's data; None where there is none."""
    against: int | None
    """Number of that version."""
    accepted: bool
    """Whether a person said that the data are right as they are."""

    def to_json(self) -> str:
        """Write the page as JSON; of the former data only the version's number."""
        raw: dict[str, Any] = {"against": self.against, "accepted": self.accepted}
        raw["findings"] = [asdict(each) for each in self.findings]
        return json.dumps(raw | {"profile": self.profile.to_json()}, indent=1)


def find(profile: Profile, former: Profile | None) -> list[Finding]:
    """Findings on a profile: by itself, and beside the former one where there is one.

    What was found in the former one by itself is not said again.
    """
    found = [finding for rule in OWN_RULES for finding in rule(profile)]
    if former is None:
        return found
    said = {finding.rule for rule in OWN_RULES for finding in rule(former)}
    found = [finding for finding in found if finding.rule not in said]
    compared = [finding for rule in (*LOG_RULES, *COLUMN_RULES) for finding in rule(profile, former)]
    # A comparison says more than the same rule alone.
    return compared + [finding for finding in found if finding.rule not in {each.rule for each in compared}]


def failures_of(page: Mapping[str, Any]) -> list[str]:
    """Findings that stop a run, of a page's JSON; none where a person accepted the data."""
    return [] if page["accepted"] else [each["text"] for each in page["findings"] if each["fails"]]
