"""Words of a cleaning."""

from __future__ import annotations

from orchestration.cleaning import Cleaning


def cleaning_text(plan: Cleaning, *, done: bool) -> str:
    """Word what was removed, or would be, and why the rest is kept."""
    verb = "removed" if done else "would remove"
    kept = [f"keeps v{version}: {reason}" for version, reason in plan.kept.items()]
    parts = {
        "versions": [f"v{version}" for version in plan.versions],
        "collections": plan.collections,
        "folders": list(map(str, plan.folders)),
        "folders of the bucket": [f"{folder.parent.name}/{folder.name}" for folder in plan.stored],
        "online features of the schemas": plan.schemas,
        "failed trainings": [each.id for each in plan.trainings],
    }
    gone = [f"{verb} {what}: {', '.join(names)}" for what, names in parts.items() if names]
    gone += plan.lines(done=done)
    size = f"{plan.bytes / 1e6:,.1f} MB on this machine"
    size += f", {plan.stored_bytes / 1e6:,.1f} MB in the bucket" if plan.stored else ""
    return "\n".join([*kept, *(gone or ["nothing to remove"]), size])
