"""The report of a run: metrics beside baselines, verdict, sample recommendations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestration.asset_files import (
    DATA_JSON,
    DATA_PAGE,
    DIFFERENCE_PAGE,
    data_folder,
    read_schema,
    version_folder,
)
from orchestration.evaluated import CHAMPION, TWO_TOWER, Evaluated
from orchestration.reporting.text import recommendations_text
from orchestration.split import windows, windows_line
from training.artifacts.choice import read_choice
from training.recipes.choice import choice_lines

if TYPE_CHECKING:
    from rich.table import Table

    from orchestration.asset_values import Judged, Source
    from serving.registry import Registry
    from serving.settings import Settings
    from training.evaluation.result import Evaluation

COLUMNS = ("recall@20", "ndcg@20", "recall@100")
HEADS = ("Recall@20 (95 %)", "NDCG@20", "Recall@100", "two_tower leads by")
LIST_MEASURES = ("coverage", "gini", "list_similarity", "popularity_correlation")
"""Measures of lists that the end of a run shows."""
VIEWS = ("all", "repeat", "discovery")
SAMPLE_USERS, SAMPLE_ITEMS = 2, 5
WIDTH = 110


def metrics_rows(systems: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """Make one row for each view and system, best first within a view.

    A row holds recall@20 with its 95 % interval, ndcg@20, recall@100, and the 95 % interval of the version's paired
    lead in recall@20.
    """
    rows: list[dict[str, Any]] = []
    for view in views_of(systems):
        for name in sorted(systems, key=lambda name: -systems[name].metrics[f"{view}/recall@20"]):
            metrics = systems[name].metrics
            low, high = systems[name].intervals[f"{view}/recall@20"]
            row = {"view": view, "system": name, "low": low, "high": high}
            # Paired over users: two overlapping intervals of their own say little.
            row["lead"] = systems[name].leads.get(f"{view}/recall@20")
            rows.append(row | {column: metrics[f"{view}/{column}"] for column in COLUMNS})
    return rows


def views_of(systems: Mapping[str, Evaluation]) -> list[str]:
    """List the measured views in the order of the report."""
    return [view for view in VIEWS if view in systems[TWO_TOWER].curves]


def parts_of(measured: Evaluated) -> dict[str, Mapping[str, Evaluation]]:
    """Title the tables: whole corpus, and core corpus where there is one."""
    parts: dict[str, Mapping[str, Evaluation]] = {f"whole corpus, {measured.items:,} items": measured.systems}
    if measured.core:
        parts[f"{measured.core_items:,} items that at least 10 users had before the cut"] = measured.core
    return parts


def remarks(systems: Mapping[str, Evaluation]) -> list[str]:
    """Word the remarks below a table: users, ceilings, repeats, flags."""
    own = systems[TWO_TOWER]
    users = ", ".join(f"{view} {own.users[view]:,}" for view in views_of(systems))
    ceilings = ", ".join(f"{view} {own.ceilings[f'{view}/recall@20']:.3f}" for view in views_of(systems))
    shares = ", ".join(f"{name} {system.repeat_share:.2f}" for name, system in systems.items())
    return [
        f"Users: {users}. Attainable Recall@20: {ceilings}.",
        f"Share of items in the lists of 20 that the user had before: {shares}.",
        *own.flags,
    ]


def metrics_markdown(measured: Evaluated) -> str:
    """Write the tables in Markdown."""
    lines = []
    for title, systems in parts_of(measured).items():
        lines += [
            f"**{title}**",
            "",
            f"| view | system | {' | '.join(HEADS)} |",
            f"|---|---|{'---|' * len(HEADS)}",
        ]
        for row in metrics_rows(systems):
            name = f"**{row['system']}**" if row["system"] in (TWO_TOWER, CHAMPION) else row["system"]
            lines.append(f"| {row['view']} | {name} | {' | '.join(_numbers(row))} |")
        lines += ["", *remarks(systems), ""]
    return "\n".join([*lines, *_sanity_table(measured), *notes(measured)])


def _sanity_table(measured: Evaluated) -> list[str]:
    """Write the measures of lists and embeddings in Markdown; nothing where none were measured."""
    names = list(measured.sanity.get(TWO_TOWER, {}))
    shown = [each for each in (TWO_TOWER, CHAMPION, "popularity") if each in measured.sanity]
    rows = [
        f"| {name} | {' | '.join(_number(measured.sanity[system].get(name)) for system in shown)} |" for name in names
    ]
    return [f"| lists and embeddings | {' | '.join(shown)} |", f"|---|{'---|' * len(shown)}", *rows, ""] if rows else []


def drift_markdown(measured: Evaluated) -> str:
    """Write the drift of the features in Markdown, the largest first."""
    if measured.drift is None:
        return "not measured"
    found = sorted(measured.drift.features.items(), key=lambda each: -each[1].beyond_chance)
    rows = [f"| {name} | {each.index:.3f} | {each.chance:.3f} |" for name, each in found]
    head = f"| feature, against {measured.drift.against} | stability index | by chance |"
    return "\n".join([head, "|---|---|---|", *rows])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def notes(measured: Evaluated) -> list[str]:
    """Notes on an evaluation: how the index was measured, what was left out."""
    recall, users = measured.index_recall, measured.index_users
    own = measured.sanity.get(TWO_TOWER, {})
    lists = ", ".join(f"{name} {_number(own[name])}" for name in LIST_MEASURES if own.get(name) is not None)
    return [
        f"Index recall {recall:.4f}, measured on {users:,} users drawn at random.",
        *([f"Lists of 20: {lists}."] if lists else []),
        *measured.notes,
    ]


def run_summary(settings: Settings, judged: Judged) -> dict[str, Any]:
    """Summarise a run as data: version, verdict, champion, metrics by system."""
    from serving.registry import Registry
    from serving.release.history import served
    from serving.release.manifest import read

    version = judged.version
    registry = Registry(settings, version.source.dataset)
    tried, schema = read_choice(registry.download(version.version)), read_schema(version.source)
    manifest, measured = read(registry, version.version), read_evaluation(judged)
    return {
        "dataset": version.source.dataset,
        "version": version.version,
        "reused": version.reused,
        "training": manifest.training.value,
        "parent": manifest.parent,
        "outcome": manifest.verdict.outcome.value,
        "reasons": list(manifest.verdict.reasons),
        "champion": registry.champion(),
        "refit": _refit(registry, version.version),
        "served": list(served(registry)),
        "validation_start": version.source.validation_start.isoformat(),
        "cut": version.source.cut.isoformat(),
        "as_of": version.source.as_of.isoformat(),
        **windows(schema, version.source.validation_start, version.source.cut, version.source.as_of),
        "windows": windows_line(schema, version.source.validation_start, version.source.cut, version.source.as_of),
        "notes": list(version.source.notes),
        "choice": choice_lines(tried),
        "warnings": _warnings(version.source),
        "data_page": str(data_folder(version.source) / DATA_PAGE),
        "index_recall": measured.index_recall,
        "metrics": {name: system.metrics for name, system in measured.systems.items()},
        "core_metrics": {name: system.metrics for name, system in measured.core.items()},
        "mlflow_run": registry.run_url(version.version),
        "difference_page": _difference_page(judged),
    }


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
    title, *reasons = verdict_lines(summary, measured.champion_note)
    console.print(f"\n{title}", style="bold", highlight=False)
    console.print("\n".join([*reasons, *refit_lines(summary)]), highlight=False, markup=False)
    if summary["champion"]:
        console.print("\n[bold]Sample recommendations[/bold]")
        for text in _samples(settings, summary["dataset"]):
            console.print(text, highlight=False, markup=False)
    console.print(_next_steps(settings, summary), highlight=False, markup=False)


def verdict_lines(summary: Mapping[str, Any], champion_note: str | None) -> list[str]:
    """Word the verdict: outcome and champion first, then a line for each reason."""
    serves = "no champion: the alias was deleted in MLflow" if summary["served"] else "no champion yet"
    serves = f"champion: v{summary['champion']}" if summary["champion"] else serves
    reasons = [*summary["reasons"], *([champion_note] if champion_note else [])]
    return [f"Verdict: {summary['outcome']}  ({serves})", *(f"  - {reason}" for reason in reasons)]


def _refit(registry: Registry, version: int) -> dict[str, Any] | None:
    """Newest refit of a version, with its verdict; None without one."""
    from serving.release.judged_twin import refits_of
    from serving.release.manifest import MANIFEST_SHA256, read

    for each in refits_of(registry, version):
        if MANIFEST_SHA256 in registry.tags(each):
            manifest = read(registry, each)
            decided = manifest.verdict
            return {
                "version": each,
                "trained_until": manifest.cut.isoformat(),
                "outcome": decided.outcome.value,
                "reasons": list(decided.reasons),
            }
    return None


def refit_lines(summary: Mapping[str, Any]) -> list[str]:
    """Word the refit of a run: outcome first, then a line for each reason; nothing without one."""
    found = summary["refit"]
    if found is None:
        return []
    title = f"Refit on the data until {found['trained_until']}: v{found['version']}, {found['outcome']}"
    return [title, *(f"  - {reason}" for reason in found["reasons"])]


def read_evaluation(judged: Judged) -> Evaluated:
    """Read the evaluation of a judged version."""
    return Evaluated.from_json(judged.path.read_text())


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
        table.add_row(row["view"], row["system"], *_numbers(row), style=style)
    return table


def _numbers(row: Mapping[str, Any]) -> list[str]:
    interval = f"{row['recall@20']:.4f} ({row['low']:.4f}-{row['high']:.4f})"
    lead = f"{row['lead'][0]:+.4f} .. {row['lead'][1]:+.4f}" if row["lead"] else ""
    return [interval, f"{row['ndcg@20']:.4f}", f"{row['recall@100']:.4f}", lead]


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


def _warnings(source: Source) -> list[str]:
    """Findings on the data of a run."""
    findings = json.loads((data_folder(source) / DATA_JSON).read_text(encoding="utf-8"))["findings"]
    return [each["text"] for each in findings]


def _difference_page(judged: Judged) -> str | None:
    """Path of the page beside the champion; None where there was none."""
    path = version_folder(judged.version) / DIFFERENCE_PAGE
    return str(path) if path.exists() else None


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
