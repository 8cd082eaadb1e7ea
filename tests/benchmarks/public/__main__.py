"""Public benchmarks of interactions without times: full ranking of the corpus.

    python -m tests.benchmarks.public --train T.parquet --test E.parquet [--users U.parquet --items I.parquet]
        [--recipe pairs | ids_only features history all] [--settings 0.1 1.22 0] [--dim 64] [--seeds 1] [--baselines]
        [--device cuda] [--json]

T and E hold user_id and item_id; training items are masked. Settings are chosen on a
validation part that is cut from T. Then the recipe is trained on all of T, and the test
part is ranked once for each seed. --recipe names the inputs of the towers; `pairs`, the
default, takes the best of the others on the validation part, and several names are a
row each. --settings are temperature, exponent and balance of users from an earlier
choice, which is then left out. Prints a table, or one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from tests.benchmarks.public.data import Part, existing, read
from tests.benchmarks.public.systems import K, Result, choose, described, run_baselines, run_recipe
from training.recipes.untimed import INPUTS


def main() -> None:
    arguments = _arguments()
    validation, final = read(arguments.train, arguments.test, arguments.users, arguments.items)
    results = [two_tower(name, arguments, validation, final) for name in arguments.recipe]
    if arguments.baselines:
        results += run_baselines(validation, final)
    if arguments.json:
        rows = {each.system: each.as_json() for each in results}
        print(json.dumps({"recipe": arguments.recipe[0], **results[0].as_json(), "systems": rows}))
        return
    print(f"| system | Recall@{K} | NDCG@{K} | seconds |\n|---|---:|---:|---:|")
    for each in results:
        print(f"| {each.system} | {np.mean(each.recall):.4f} | {np.mean(each.ndcg):.4f} | {each.seconds:.0f} |")


def two_tower(recipe: str, arguments: argparse.Namespace, validation: Part, final: Part) -> Result:
    """Choose, train and measure; the seconds are those of all seeds.

    Args:
        recipe: name of the inputs.
        arguments: arguments of the command line.
        validation: part on which settings are chosen, whose seconds do not count.
        final: part that is reported.
    """
    start = time.perf_counter()
    config = choose(
        recipe,
        validation,
        dim=arguments.dim,
        device=arguments.device,
        settings=arguments.settings,
        show=(lambda line: None) if arguments.json else (lambda line: print(line, flush=True)),
    )
    seconds = time.perf_counter() - start
    part = validation if arguments.validation_only else final
    result = run_recipe(recipe, part, config, seeds=arguments.seeds, device=arguments.device)
    result.settings |= {"chosen": described(config), "chosen_seconds": round(seconds, 1)}
    return result


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=existing, required=True)
    parser.add_argument("--test", type=existing, required=True)
    parser.add_argument("--users", type=existing)
    parser.add_argument("--items", type=existing)
    parser.add_argument("--recipe", choices=["pairs", *INPUTS], nargs="+", default=["pairs"])
    parser.add_argument("--settings", type=float, nargs=3, metavar=("TEMPERATURE", "EXPONENT", "BALANCE"))
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--baselines", action="store_true", help="also popularity, ALS, and EASE where it fits")
    parser.add_argument("--device", default="cpu", help="where the towers are trained")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--validation-only", action="store_true", help="measure on the validation part, never on the test"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
