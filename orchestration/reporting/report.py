"""The report at the end of a run: metrics beside baselines, verdict, sample recommendations, next steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestration.evaluated import CHAMPION, TWO_TOWER
from orchestration.reporting.summary import read_evaluation
from orchestration.reporting.tables import HEADS, metrics_rows, notes, numbers, parts_of, remarks
from orchestration.reporting.text import recommendations_text

if TYPE_CHECKING:
    from rich.table import Table

    from orchestration.asset_values import Judged
    from serving.settings import Settings
    from training.evaluation.result import Evaluation

SAMPLE_USERS, SAMPLE_ITEMS = 2, 5
WIDTH = 110


def run_report(settings: Settings, judged: Judged, summary: Mapping[str, Any]) -> None:
    """Print the end of a run: tables, verdict, samples, next steps.

    Args:
        settings: the home and its services.
        judged: the evaluation of the run's version.
        summary: the run as `run_summary` gives it.
    """
    from rich.console import Console

    console, measured = Console(width=WIDTH), read_evaluation(judged)
    for title, systems in parts_of(measured).items():
        console.print(_table(f"{summary['dataset']} v{summary['version']} - {title}", systems))
        for remark in remarks(systems):
            console.print(remark, style="dim", highlight=False)
    chosen = [f"Recipe, chosen on the validation window: {line}." for line in summary["choice"]]
    for note in (f"Windows: {summary['windows']}.", *notes(measured), *chosen, *summary["notes"]):
        console.print(note, style="dim", highlight=False, markup=False)
    for warning in summary["warnings"]:
        console.print(f"Warning: {warning}", highlight=False, markup=False)
    title, *reasons = verdict_lines(summary)
    console.print(f"\n{title}", style="bold", highlight=False, markup=False)
    console.print("\n".join([*reasons, *refit_lines(summary)]), highlight=False, markup=False)
    if summary["champion"]:
        console.print("\n[bold]Sample recommendations[/bold]")
        for text in _samples(settings, summary["dataset"]):
            console.print(text, highlight=False, markup=False)
    console.print(_next_steps(settings, summary), highlight=False, markup=False)


def verdict_lines(summary: Mapping[str, Any]) -> list[str]:
    """Word the verdict: outcome and champion first, then a line for each reason."""
    serves = "no champion: the alias was deleted in MLflow" if summary["served"] else "no champion yet"
    serves = f"champion: v{summary['champion']}" if summary["champion"] else serves
    serves += f", which serves by an override: {summary['champion_override']}" if summary["champion_override"] else ""
    return [f"Verdict: {summary['outcome']}  ({serves})", *(f"  - {reason}" for reason in summary["reasons"])]


def refit_lines(summary: Mapping[str, Any]) -> list[str]:
    """Word the refit of a run: outcome first, then a line for each reason; nothing without one."""
    found = summary["refit"]
    if found is None:
        return []
    title = f"Refit on the data until {found['trained_until']}: v{found['version']}, {found['outcome']}"
    return [title, *(f"  - {reason}" for reason in found["reasons"])]


def _table(title: str, systems: Mapping[str, Evaluation]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("view", "system"):
        table.add_column(name)
    for name in HEADS:
        table.add_column(name, justify="right", no_wrap=True)
    view = None
    for row in metrics_rows(systems):
        if view not in (None, row["view"]):
            table.add_section()
        view = row["view"]
        style = "bold" if row["system"] in (TWO_TOWER, CHAMPION) else None
        table.add_row(row["view"], row["system"], *numbers(row), style=style)
    return table


def _samples(settings: Settings, dataset: str) -> list[str]:
    """Answers of the champion to a few users; the reason where it cannot answer."""
    from serving.open import open_retriever
    from serving.release.manifest import ReleaseError

    try:
        with open_retriever(settings, dataset) as retriever:
            users = retriever.known_users()
            # Spread over all users: neighbours among sorted ids may be alike.
            chosen = [users[len(users) * number // SAMPLE_USERS] for number in range(SAMPLE_USERS)]
            return [recommendations_text(retriever.recommend(user, SAMPLE_ITEMS)) for user in chosen]
    except ReleaseError as error:  # of a champion that is broken or was moved by hand, not of this run
        return [str(error)]


def _next_steps(settings: Settings, summary: Mapping[str, Any]) -> str:
    beside = summary["difference_page"]
    lines = [
        "\nNext:  gatehouse recommend USER -k 20   items for a user",
        "       gatehouse up                     the service, Dagster, MLflow and Milvus on this machine",
        "       gatehouse releases               all versions; `gatehouse rollback` restores the former champion",
        f"       {summary['data_page']}   page on the data: files, columns, warnings",
        *([f"       {beside}   who gains and who loses beside the champion"] if beside else []),
        f"       {settings.home}/data_docs   expectations on the features, and their results",
        f"       {settings.home}/logs        the log\n",
    ]
    return "\n".join(lines)
