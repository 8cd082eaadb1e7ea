"""Promotions of completejourney with planted clicks, through the whole pipeline.

    python -m tests.benchmarks.bias.promotions [--data DIR] [--seeds 3] [--towers-alone] [--only randomised] [--json]

Households, products, purchases and a week's promotions are real; relevance and clicks are
planted. A first release learns from purchases. Its service is posted each impression and
click; runs learn from its log, are judged, and are measured by the true relevance. With
--towers-alone, towers are trained on the same tables, without service, pipeline and gate.
Without --data, the files are those of the installed package. Purchases are moved, so that
the answers are of the week before the present.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from feature_repo.datasets.completejourney import package_data
from feature_repo.utc import present_time
from tests.benchmarks.bias.promotions.answers import Order
from tests.benchmarks.bias.promotions.home import Home, Posted
from tests.benchmarks.bias.promotions.market import HOLDOUT_DAYS, START, VALIDATION_DAYS, read_market, write_market
from tests.benchmarks.bias.promotions.outcome import Outcome
from tests.benchmarks.bias.promotions.table import print_table
from tests.benchmarks.bias.promotions.through import first_release, through
from tests.benchmarks.bias.promotions.towers import towers_alone

FITTED = ("clicks", "clicks_additive", "clicks_product")
RECIPES = {
    Order.RANDOMISED: (*FITTED, "clicks_by_examination", "clicks_doubly_robust"),
    Order.PROMOTED: FITTED,
    Order.RANKED: FITTED,
    Order.SEEN: FITTED[:1],
}
"""Recipes of the runs, in their order. Labels by examination are refused where no product changes its slot."""
Found = dict[tuple[str, str], list[Outcome]]


def main() -> None:
    """Run and print the table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        # The service goes by the clock; without it, the answers lie in the time of the promotions.
        now = START - timedelta(hours=12) if arguments.towers_alone else present_time().replace(microsecond=0)
        found, posted = measure(arguments, Path(folder), now)
    if arguments.json:
        rows = [
            {"log": log, "recipe": recipe, "seeds": list(map(asdict, runs))} for (log, recipe), runs in found.items()
        ]
        print(json.dumps({"rows": rows, "posted": list(map(asdict, posted))}, indent=1))
    else:
        print_table(found, posted)


def measure(arguments: argparse.Namespace, folder: Path, now: datetime) -> tuple[Found, list[Posted]]:
    """Outcomes of each log and recipe over the seeds, and the cost of each posting.

    Args:
        arguments: options of the command line.
        folder: an empty folder for the home and the data.
        now: present time.
    """
    start = midnight_after(now)
    cut = start + timedelta(days=VALIDATION_DAYS)
    end = cut + timedelta(days=HOLDOUT_DAYS)
    sizes = {"households": arguments.households, "products": arguments.products}
    market = read_market(arguments.data or package_data(), **sizes, midnight=start, seed=0)
    home, found, costs = Home(folder=folder / "home", data=folder / "data", now=end.isoformat()), Found(), []
    if not arguments.towers_alone:
        write_market(market, home.data, now)
        found["none", "base"] = [first_release(home, market, until=now, seed=0)]
    write_market(market, home.data, end)
    for seed in range(1, arguments.seeds + 1):
        for order in [Order(arguments.only)] if arguments.only else list(Order):
            # Towers alone have no first release to be compared with.
            recipes = arguments.recipes or (*(["base"] if arguments.towers_alone else []), *RECIPES[order])
            options = {"answers": arguments.answers, "share": arguments.share, "now": now, "seed": seed}
            if arguments.towers_alone:
                outcomes = towers_alone(market, home.data, order, recipes, end=end, **options)
            else:
                outcomes, posted = through(home, market, order, recipes, cut=cut, **options)
                costs.append(posted)
            for recipe, outcome in outcomes.items():
                found.setdefault((str(order), recipe), []).append(outcome)
                print(f"{order}, seed {seed}, {recipe}: {outcome}", file=sys.stderr)
    return found, costs


def midnight_after(now: datetime) -> datetime:
    """First midnight that leaves at least six hours for the posting."""
    later = now + timedelta(hours=6)
    return datetime(later.year, later.month, later.day) + timedelta(days=1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the Parquet files of completejourney")
    parser.add_argument("--seeds", type=int, default=3, help="logs of each order, from seed 1 on")
    parser.add_argument("--answers", type=int, default=12_000, help="answers of a log")
    parser.add_argument("--share", type=float, default=0.2, help="share of the answers in a random order")
    parser.add_argument("--households", type=int, default=300)
    parser.add_argument("--products", type=int, default=200)
    parser.add_argument("--only", choices=list(Order), help="one order of the products")
    parser.add_argument("--recipes", nargs="+", help="recipes of each log, in the place of those of the table")
    parser.add_argument("--towers-alone", action="store_true", help="without service, pipeline and gate")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
