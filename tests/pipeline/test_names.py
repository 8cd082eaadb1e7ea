"""Columns and values that broke a run after its training, in one run from files to a filtered answer."""

from __future__ import annotations

import polars as pl
import yaml

from orchestration.asset_files import read_tables
from tests.pipeline.planted import Home, world, write_world

EMOJI, CONTROL = "🍕 pizza", 'a\u0001b\n"c\\'
FILTERABLE = {
    "like": EMOJI, "type": CONTROL, "class": "x" * 70_000, "embedding": "e", "row_event_timestamp": "r", "имя": "и",
    "price_bucket": "low", "KIND": "k", "empty": None,
}  # fmt: skip


def test_a_run_with_names_and_values_of_any_kind_ends_with_a_filtered_answer(home: Home) -> None:
    folder = write_world(home.root / "läden", world("läden"))
    items = pl.read_csv(folder / "items.csv", infer_schema=False)
    half = pl.int_range(pl.len()) % 2 == 0
    items = items.with_columns(
        *(pl.when(half).then(pl.lit(value, pl.String)).alias(name) for name, value in FILTERABLE.items()),
        price=pl.when(half).then(pl.lit("1.5")).otherwise(pl.lit("9")),
        title=pl.lit("हिन्दी किताब"),
    )
    items.write_parquet(folder / "items.parquet")
    config = yaml.safe_load((folder / "gatehouse.yaml").read_text())
    config["items"]["file"] = "items.parquet"
    config["items"]["features"] |= {name: {"kind": "categorical", "filterable": True} for name in FILTERABLE}
    config["items"]["features"] |= {"price": {"kind": "numeric", "filterable": True}}
    config["items"]["features"]["title"]["tower"] = True
    (folder / "gatehouse.yaml").write_text(yaml.safe_dump(config))
    judged = home.run(folder)
    assert read_tables(judged.version.source).items["KIND"].drop_nulls().unique().to_list() == ["k"]
    assert home.champion("läden") == judged.version.version
    wanted = set(items.filter(half)["item_id"])
    for where in (f'like == "{EMOJI}"', r'type == "a\u0001b\n\"c\\"', "price < 2 and KIND == 'k' and class != 'y'"):
        ended = home.command("recommend", "--dataset", "läden", "u000", "--where", where, "-k", 100, "--json")
        assert (ended.code, ended.err) == (0, "")
        answered = ended.data["items"]
        assert {each["item_id"] for each in answered} == wanted
        assert {each["fields"]["имя"] for each in answered} == {"и"}
    shown = home.command("recommend", "--dataset", "läden", "u000", "--where", "type in ('no')", "-k", 5).out
    assert "only 0 of 5 items match" in shown
    lines = home.command("recommend", "--dataset", "läden", "u000", "-k", 9).out.splitlines()
    assert len(lines) == 12 and lines[-2].startswith("note: answered as of 20")
    assert lines[-1] == "answered by this command: no service runs"
    refused = home.command("recommend", "--dataset", "läden", "u000", "--where", "type == {[1]}")
    assert refused.code == 1 and "cannot read the filter, position 9" in refused.err
