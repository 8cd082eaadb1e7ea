"""Tables of an evaluation: metrics beside baselines, lists and embeddings, drift; as rows and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestration.evaluated import CHAMPION, TWO_TOWER, Evaluated
from orchestration.seed_noise import UNKNOWN

if TYPE_CHECKING:
    from serving.gate.latency import Latency
    from training.evaluation.result import Evaluation

COLUMNS = ("recall@20", "ndcg@20", "recall@100")
HEADS = ("Recall@20 (95 %)", "NDCG@20", "Recall@100", "two_tower leads by")
LIST_MEASURES = ("coverage", "gini", "list_similarity", "popularity_correlation")
"""Measures of lists that the end of a run shows."""
VIEWS = ("all", "repeat", "discovery")


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
            lines.append(f"| {row['view']} | {name} | {' | '.join(numbers(row))} |")
        lines += ["", *remarks(systems), ""]
    # As a list: Markdown makes one paragraph of lines that follow each other.
    return "\n".join([*lines, *_sanity_table(measured), "", *(f"- {note}" for note in notes(measured))])


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
        *_latency(measured.latency),
        str(measured.seeds) if measured.seeds else UNKNOWN,
        *([f"Lists of 20: {lists}."] if lists else []),
        *(measured.bias.lines if measured.bias else []),
        *measured.notes,
    ]


def _latency(found: Latency | None) -> list[str]:
    """Word the latency of the searcher; nothing where it was not measured."""
    if found is None:
        return []
    p50, p99 = found.best("p50_ms"), found.best("p99_ms")
    return [f"A search took {p50:.2f} ms, one of a hundred {p99:.2f} ms or more, on {found.machine}."]


def numbers(row: Mapping[str, Any]) -> list[str]:
    """Word the cells of a row, behind view and system."""
    interval = f"{row['recall@20']:.4f} ({row['low']:.4f}-{row['high']:.4f})"
    lead = f"{row['lead'][0]:+.4f} .. {row['lead'][1]:+.4f}" if row["lead"] else ""
    return [interval, f"{row['ndcg@20']:.4f}", f"{row['recall@100']:.4f}", lead]
