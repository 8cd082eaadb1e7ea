"""The doctor: what is half-done or wrong in a home, each with the way out. It only reads."""

from orchestration.doctor.examination import examine
from orchestration.doctor.finding import Finding, findings_text

__all__ = ["Finding", "examine", "findings_text"]
