"""Own data: files and YAML are checked, and the YAML of `init` can be read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets import custom, tiny
from feature_repo.errors import InputError

CONFIG = """
dataset: shop
seen_items_may_return: true
events:
  file: events.csv
  user: user_id
  item: item_id
  timestamp: timestamp
  created: created
  value: value
  basket: basket_id
users:
  file: users.csv
  id: user_id
  features:
    style: {kind: categorical}
    years: {kind: numeric, column: age}
items:
  file: items.csv
  id: item_id
  features:
    category: {kind: categorical, filterable: true}
    tags: {kind: multi_valued}
    released: {kind: timestamp}
    title: {kind: text, tower: false, display: true}
    picture: {kind: vector, dim: 4}
"""

SHOWN = """
impressions:
  file: shown.parquet
  user: user_id
  item: product
  timestamp: at
"""


MANY = {f"c{number}": "x" for number in range(21)}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The files of the example shop and a YAML for them."""
    tiny.write(tmp_path, seed=5)
    tmp_path.joinpath(custom.YAML_NAME).write_text(CONFIG)
    return tmp_path


def with_config(shop: Path, old: str, new: str) -> Path:
    assert old in CONFIG
    shop.joinpath(custom.YAML_NAME).write_text(CONFIG.replace(old, new))
    return shop


class TestFiles:
    def test_csv_is_the_dataset_that_was_written(self, shop: Path) -> None:
        tables, expected = custom.load(shop), tiny.generate(seed=5)
        assert tables.events.equals(expected.events)
        assert tables.users.rename({"years": "age"}).equals(expected.users)
        assert tables.items.equals(expected.items.select(tables.items.columns))
        assert tables.schema.dataset == "shop"

    def test_parquet_with_typed_columns_reads_the_same(self, shop: Path) -> None:
        expected = tiny.generate(seed=5)
        expected.items.with_columns(pl.from_epoch("released", time_unit="us")).write_parquet(shop / "items.parquet")
        with_config(shop, "items.csv", "items.parquet")
        assert custom.load(shop).items.equals(expected.items.drop("list_price"))

    def test_leading_zeros_of_ids_are_kept(self, shop: Path) -> None:
        for name in ("events.csv", "users.csv"):
            frame = pl.read_csv(shop / name, infer_schema=False)
            frame.with_columns(pl.col("user_id").str.replace("u", "00")).write_csv(shop / name)
        assert "0012" in custom.load(shop).users["user_id"]

    def test_without_users_they_are_those_of_the_events(self, shop: Path) -> None:
        users = CONFIG[CONFIG.index("users:") : CONFIG.index("items:")]
        tables = custom.load(with_config(shop, users, ""))
        assert tables.users.columns == ["user_id"]
        assert set(tables.users["user_id"]) == set(tables.events["user_id"])

    def test_impressions_are_read_where_the_yaml_names_them(self, shop: Path) -> None:
        own_columns = {"item_id": "product", "timestamp": "at"}
        tiny.generate(seed=6).events.rename(own_columns).write_parquet(shop / "shown.parquet")
        shop.joinpath(custom.YAML_NAME).write_text(CONFIG + SHOWN)
        found = custom.load(shop).impressions
        wanted = tiny.generate(seed=6).events.select("user_id", "item_id", "timestamp", created="timestamp")
        assert found is not None
        assert found.equals(wanted)
        assert custom.load(with_config(shop, CONFIG, CONFIG)).impressions is None

    def test_answers_and_surroundings_are_read_where_the_yaml_names_them(self, shop: Path) -> None:
        shown = tiny.generate(seed=6).events.rename({"item_id": "product", "timestamp": "at"})
        place = pl.int_range(pl.len())
        shown = shown.with_columns(query=place, rank=place % 7 + 1, hit=place % 2, agent=pl.lit("phone"), share=0.5)
        shown.write_parquet(shop / "shown.parquet")
        named = "  request: query\n  position: rank\n  click: hit\n  propensity: share\n  context: {device: agent}\n"
        shop.joinpath(custom.YAML_NAME).write_text(CONFIG + SHOWN + named)
        found = custom.load(shop).impressions
        assert found is not None
        wanted = ["request_id", "position", "click", "propensity", "device"]
        assert found.columns == ["user_id", "item_id", "timestamp", "created", *wanted]
        assert found["position"].value_counts().sort("position")["position"].to_list() == list(range(1, 8))
        assert set(found["device"]) == {"phone"}

    def test_events_decide_which_standard_features_there_are(self, shop: Path) -> None:
        full = custom.load(shop).schema
        bare = custom.load(with_config(shop, "  value: value\n  basket: basket_id\n", "")).schema
        assert {"spend_all", "basket_size", "price_28d"} <= {c for view in full.views for c in view.columns}
        assert not {"spend_all", "basket_size", "price_28d"} & {c for view in bare.views for c in view.columns}

    def test_missing_file(self, shop: Path) -> None:
        shop.joinpath("items.csv").unlink()
        with pytest.raises(InputError, match=r"items\.csv: no such file"):
            custom.load(shop)

    def test_missing_column(self, shop: Path) -> None:
        with pytest.raises(
            InputError, match=r"users\.csv, column 'income': missing column; the file has user_id, style"
        ):
            custom.load(with_config(shop, "column: age", "column: income"))

    def test_text_that_is_not_utf8(self, shop: Path) -> None:
        frame = pl.read_csv(shop / "items.csv", infer_schema=False)
        title = pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("Café crème")).otherwise("title")
        text = frame.with_columns(title=title).write_csv()
        shop.joinpath("items.csv").write_bytes(text.encode("latin-1"))
        with pytest.raises(InputError) as error:
            custom.load(shop)
        for wanted in ("items.csv", "'title'", "not UTF-8", "5 rows", "Caf"):
            assert wanted in str(error.value)

    @pytest.mark.parametrize("content", [b"", b"\n\n"])
    def test_empty_file(self, shop: Path, content: bytes) -> None:
        shop.joinpath("events.csv").write_bytes(content)
        with pytest.raises(InputError, match=r"events\.csv"):
            custom.load(shop)

    def test_file_with_a_header_only(self, shop: Path) -> None:
        shop.joinpath("users.csv").write_text("user_id,style,age\n")
        with pytest.raises(InputError, match=r"users\.csv: empty table"):
            custom.load(shop)

    def test_row_with_too_many_cells(self, shop: Path) -> None:
        with shop.joinpath("users.csv").open("a") as file:
            file.write("u999,tea,30,surplus\n")
        with pytest.raises(InputError, match=r"users\.csv, line 202: 4 cells; wanted 3"):
            custom.load(shop)

    def test_parquet_that_is_none(self, shop: Path) -> None:
        shop.joinpath("items.parquet").write_text("item_id\n1\n")
        with pytest.raises(InputError, match=r"items\.parquet: not a readable Parquet file"):
            custom.load(with_config(shop, "items.csv", "items.parquet"))

    def test_other_formats_are_refused(self, shop: Path) -> None:
        with pytest.raises(InputError, match=r"'\.xlsx'; wanted one of \.parquet, .*\.csv"):
            custom.load(with_config(shop, "items.csv", "items.xlsx"))


class TestYaml:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="gatehouse init"):
            custom.load(tmp_path)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("seen_items_may_return: true", "seen_items: true", "gatehouse.yaml: unknown key 'seen_items'"),
            ("seen_items_may_return: true", "seen_items_may_return: maybe", "'maybe'; wanted bool"),
            ("value: value", "price: value", "events: unknown key 'price'; there are file, "),
            ("  timestamp: timestamp\n", "", "events: missing timestamp"),
            (CONFIG, CONFIG + SHOWN.replace("  item: product\n", ""), "gatehouse.yaml, impressions: missing item"),
            (CONFIG, CONFIG + SHOWN + "  value: paid\n", "impressions: unknown key 'value'; there are file, "),
            (
                CONFIG,
                CONFIG + SHOWN + "  context: {position: x}\n",
                "the name 'position' is reserved; choose",
            ),
            (CONFIG, CONFIG + SHOWN + "  context: {a b: x}\n", "context: 'a b' is no name; wanted letters"),
            (CONFIG, CONFIG + SHOWN + "  context: {device: 3}\n", "context: device is 3; wanted the name of a column"),
            (CONFIG, CONFIG + SHOWN + "  context: [device]\n", "context is ['device']; wanted dict"),
            (
                CONFIG,
                CONFIG + SHOWN + f"  context: {dict.fromkeys(map('c{}'.format, range(21)), 'x')}\n",
                "21 columns; wan",
            ),
            (
                "  created: created",
                "  epoch: days",
                "epoch is 'days'; wanted one of s, ms",
            ),
            ("kind: text", "kind: txt", "items, feature 'title': unknown kind 'txt'; there are id, "),
            ("kind: text", "kind: history", "feature 'title': a history is derived from the events"),
            (", dim: 4", "", "items: vector feature 'picture' needs its width"),
            (", dim: 4", ", dim: wide", "feature 'picture': dim is 'wide'; wanted int"),
            (", dim: 4", ", dim: true", "feature 'picture': dim is True; wanted int"),
            (", dim: 4", ", widht: 4", "feature 'picture': unknown key 'widht'"),
            ("category:", "created:", "feature 'created': the name is reserved"),
            ("category:", "events_7d:", "declares columns twice: events_7d"),
            ("dataset: shop", "dataset: My Shop", "dataset name 'My Shop'"),
            ("dataset: shop", "dataset: [", "not readable as YAML"),
            ("dataset: shop", "dataset: !!python/name:os.system", "not readable as YAML"),
            ("users:", "dataset: films\nusers:", "dataset in line 12 is there already, in line 2; wanted it once"),
            ("title: {", "category: {", "category in line 25 is there already, in line 22"),
            (CONFIG, "- a list", "wanted keys with values, got list"),
        ],
    )
    def test_what_is_wrong_is_named(self, shop: Path, old: str, new: str, message: str) -> None:
        with pytest.raises(InputError) as error:
            custom.load(with_config(shop, old, new))
        assert message in str(error.value)

    def test_its_size_is_bounded(self, shop: Path) -> None:
        shop.joinpath(custom.YAML_NAME).write_text(CONFIG + "#" * 1_000_001)
        with pytest.raises(InputError, match="wanted at most"):
            custom.load(shop)


def test_ids_of_events_are_kept_where_they_are_named(shop: Path) -> None:
    tables = custom.load(with_config(shop, "  basket: basket_id\n", "  event: basket_id\n"))
    assert "basket_id" not in tables.events.columns
    assert set(tables.events["event_id"]) == set(pl.read_csv(shop / "events.csv")["basket_id"])


def test_kinds_of_the_event_log_are_those_of_the_description(shop: Path) -> None:
    named = "seen_items_may_return: true\nkinds: {saved: interaction, view: ignored}\n"
    tables = custom.load(with_config(shop, "seen_items_may_return: true\n", named))
    assert tables.schema.kinds == (("saved", "interaction"), ("view", "ignored"))
    with pytest.raises(InputError, match=r"gatehouse.yaml, kinds: kind 'saved' is 'liked'"):
        custom.load(with_config(shop, "seen_items_may_return: true\n", named.replace("interaction", "liked")))
