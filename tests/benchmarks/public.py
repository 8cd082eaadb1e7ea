"""Public benchmarks of interactions without times: full ranking over the corpus, training items masked.

    python -m tests.benchmarks.public --train T.parquet --test E.parquet [--users U.parquet --items I.parquet]
        [--recipe pairs | --settings 0.1 1.22] [--dim 64] [--seeds 1] [--baselines] [--device cuda] [--json]

T and E hold user_id and item_id. Settings are chosen on a validation part that is cut from T; then the recipe is
trained on all of T and the test part is ranked once for each seed. --settings: temperature and exponent that an earlier
choice has found, which is then left out. Recall@20 has the denominator |relevant|, NDCG@20
the ideal of min(|relevant|, 20); both are means over the users of E. Prints a table, or one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from feature_repo.datasets.guess import guess_feature
from feature_repo.schema import Entity, Feature, Kind
from training.baselines import Log, als, baseline_search, ease, popularity
from training.evaluate import Holdout, MakeSearch, Scores, exact_search
from training.metrics import is_relevant, ndcg_at_k, recall_at_k
from training.pairs import ITEM, USER, Pairs, fit_pairs, read_pairs
from training.recipes import TrainConfig
from training.recipes.pairs import PAIR_RECIPES, ids_only, with_settings
from training.recipes.text import to_flat
from training.towers import TwoTower, embed

K = 20
VALIDATION_SHARE = 0.1
EASE_ITEMS = 20_000
"""EASE inverts a matrix with a row for each of the users or items, whichever are fewer."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is trained on and what is asked."""

    pairs: Pairs
    holdout: Holdout

    @property
    def log(self) -> Log:
        pairs = self.pairs
        return Log(
            user_rows=pairs.user_I,
            item_rows=pairs.item_I,
            days=np.zeros(len(pairs.user_I)),
            users=len(pairs.user_U[USER]),
            items=len(pairs.item_N[ITEM]),
        )


@dataclass
class Result:
    """The metrics of one system, over the seeds."""

    system: str
    recall: list[float] = field(default_factory=list)
    ndcg: list[float] = field(default_factory=list)
    seconds: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        means = {f"recall@{K}": float(np.mean(self.recall)), f"ndcg@{K}": float(np.mean(self.ndcg))}
        return {**means, "seeds": len(self.recall), "seconds": round(self.seconds, 1), "settings": self.settings}


def main() -> None:
    arguments = _arguments()
    validation, final = read(arguments)
    results = [run_recipe(arguments, validation, final)]
    if arguments.baselines:
        results += run_baselines(validation, final)
    if arguments.json:
        rows = {each.system: each.as_json() for each in results}
        print(json.dumps({"recipe": arguments.recipe, **rows["two_tower"], "baselines": rows}))
        return
    print(f"| system | Recall@{K} | NDCG@{K} | seconds |\n|---|---:|---:|---:|")
    for each in results:
        print(f"| {each.system} | {np.mean(each.recall):.4f} | {np.mean(each.ndcg):.4f} | {each.seconds:.0f} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--users", type=Path)
    parser.add_argument("--items", type=Path)
    parser.add_argument("--recipe", choices=sorted(PAIR_RECIPES), default="pairs")
    parser.add_argument("--settings", type=float, nargs=2, metavar=("TEMPERATURE", "EXPONENT"))
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--baselines", action="store_true", help="also popularity, ALS, and EASE where it fits")
    parser.add_argument("--device", default="cpu", help="where the towers are trained")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--validation-only", action="store_true", help="measure on the validation part, never on the test"
    )
    return parser.parse_args()


def read(arguments: argparse.Namespace) -> tuple[Part, Part]:
    """The part on which settings are chosen, cut from train, and the one that is reported."""
    train, test = (_ids(pl.read_parquet(path)) for path in (arguments.train, arguments.test))
    users, user_features = _entities(arguments.users, [train, test], USER)
    items, item_features = _entities(arguments.items, [train, test], ITEM)
    both = read_pairs(
        pl.concat([train, test]).unique(maintain_order=True),
        users,
        items,
        user_features=user_features,
        item_features=item_features,
    )
    is_train = pl.concat([train, test]).unique(maintain_order=True).join(train, on=[USER, ITEM], how="semi")
    pairs = both.only(np.arange(is_train.height))
    rows = np.arange(len(both.user_I))[is_train.height :]
    held = np.random.default_rng(0).random(len(pairs.user_I)) < VALIDATION_SHARE
    validation = Part(pairs=pairs.only(~held), holdout=_holdout(pairs.only(~held), pairs.only(held)))
    return validation, Part(pairs=pairs, holdout=_holdout(pairs, both.only(rows)))


def _ids(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col(USER, ITEM).cast(pl.String)).unique(maintain_order=True)


def _entities(path: Path | None, frames: list[pl.DataFrame], key: str) -> tuple[pl.DataFrame, tuple[Feature, ...]]:
    """Every user or item that is named anywhere, with the features of its file."""
    named = pl.concat([frame.select(key) for frame in frames])
    if path is None:
        return named.unique().sort(key), ()
    table = pl.read_parquet(path).with_columns(pl.col(key).cast(pl.String)).unique(key, keep="first")
    entity = Entity.USER if key == USER else Entity.ITEM
    features = []
    for column in table.drop(key).get_columns():
        guess = guess_feature(column, entity)
        if guess and Kind(guess["kind"]) not in (Kind.TIMESTAMP, Kind.ID):
            features.append(Feature(name=column.name, **{**guess, "kind": Kind(guess["kind"]), "filterable": False}))
            table = _typed(table, features[-1])
    kept = table.select(key, *[feature.name for feature in features])
    everyone = pl.concat([named, table.select(key)]).unique().sort(key)
    return everyone.join(kept, on=key, how="left", maintain_order="left"), tuple(features)


def _typed(table: pl.DataFrame, feature: Feature) -> pl.DataFrame:
    """A column as the encoder wants it."""
    column = pl.col(feature.name)
    match feature.kind:
        case Kind.MULTI_VALUED if table[feature.name].dtype == pl.String:
            return table.with_columns(column.str.split("|"))
        case Kind.NUMERIC:
            return table.with_columns(column.cast(pl.Float64))
        case Kind.CATEGORICAL | Kind.TEXT:
            return table.with_columns(column.cast(pl.String))
    return table


def _holdout(known: Pairs, asked: Pairs) -> Holdout:
    return Holdout.from_interactions(
        before=(known.user_I, known.item_I),
        after=(asked.user_I, asked.item_I),
        items=len(known.item_N[ITEM]),
        seen_items_may_return=False,
    )


def measure(make_search: MakeSearch, holdout: Holdout) -> tuple[float, float]:
    """Recall@20 and NDCG@20, means over the users of the hold-out."""
    relevant = holdout.relevant
    search = make_search(exclude=holdout.seen)
    hits_QK = is_relevant(search(np.arange(relevant.shape[0]), K), relevant)
    counts_Q = np.diff(relevant.indptr)
    return float(recall_at_k(hits_QK, counts_Q, K).mean()), float(ndcg_at_k(hits_QK, counts_Q, K).mean())


def tower_search(model: TwoTower, part: Part) -> MakeSearch:
    user_QD = embed(model.user, part.pairs.user_U)[part.holdout.users_Q]
    return partial(exact_search, user_QD, embed(model.item, part.pairs.item_N))


def run_recipe(arguments: argparse.Namespace, validation: Part, final: Part) -> Result:
    """Choose on the validation part, train on all of train, measure once for every seed."""
    start = time.perf_counter()
    recipe = PAIR_RECIPES[arguments.recipe]

    def score(config: TrainConfig) -> float:
        model, _ = fit_pairs(validation.pairs, config, seed=0, device=arguments.device)
        recall, ndcg = measure(tower_search(model, validation), validation.holdout)
        settings = {name: value for name, value in to_flat(config).items() if "parameters" in name or "temper" in name}
        print(f"  validation {recall:.4f} {ndcg:.4f}  {settings}", flush=True) if not arguments.json else None
        return recall + ndcg

    pairs = validation.pairs
    given = {"items": len(pairs.item_N[ITEM]), "interactions": len(pairs.user_I), "dim": arguments.dim}
    if arguments.settings:
        config = with_settings(ids_only(**given), *arguments.settings)
    else:
        config = recipe(**given, score=score)
    part = validation if arguments.validation_only else final
    result = Result("two_tower", settings={**to_flat(config), "chosen_seconds": time.perf_counter() - start})
    for seed in range(arguments.seeds):
        model, _ = fit_pairs(part.pairs, config, seed=seed, device=arguments.device)
        recall, ndcg = measure(tower_search(model, part), part.holdout)
        result.recall.append(recall)
        result.ndcg.append(ndcg)
    result.seconds = time.perf_counter() - start
    return result


def run_baselines(validation: Part, final: Part) -> list[Result]:
    """Popularity, ALS and, where it fits, EASE: a few settings of each are compared on the validation part."""
    options: dict[str, list[tuple[dict[str, Any], Callable[[Log], Scores]]]] = {
        "popularity": [({}, popularity)],
        "als": [
            ({"regularization": strength, "alpha": alpha}, partial(als, seed=0, regularization=strength, alpha=alpha))
            for strength in (1.0, 10.0)
            for alpha in (1.0, 10.0)
        ],
        "ease": [({"strength": each}, partial(ease, regularization=each)) for each in (100.0, 300.0, 1000.0)],
    }
    results = []
    for name, settings in options.items():
        if name == "ease" and min(final.log.users, final.log.items) > EASE_ITEMS:
            continue
        start = time.perf_counter()
        scores = [sum(measure_baseline(fit, validation)) if settings[1:] else 0.0 for _, fit in settings]
        chosen, fit = settings[int(np.argmax(scores))]
        recall, ndcg = measure_baseline(fit, final)
        results.append(Result(name, [recall], [ndcg], time.perf_counter() - start, chosen))
    return results


def measure_baseline(fit: Callable[[Log], Scores], part: Part) -> tuple[float, float]:
    return measure(baseline_search(fit(part.log), part.holdout.users_Q), part.holdout)


if __name__ == "__main__":
    main()
