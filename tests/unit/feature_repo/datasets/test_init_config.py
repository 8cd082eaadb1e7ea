"""Draft of a gatehouse.yaml: what `init` guesses of the example shop."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from feature_repo.datasets import custom, tiny
from feature_repo.datasets.init_config import init_folder, inspect_folder
from feature_repo.errors import InputError


class TestInit:
    @pytest.fixture
    def written(self, tmp_path: Path) -> Path:
        folder = tmp_path / "My Shop"
        tiny.write(folder, seed=7)
        init_folder(folder)
        return folder

    def test_guesses_read_back_as_the_dataset_that_was_written(self, written: Path) -> None:
        tables, expected = custom.load(written), tiny.generate(seed=7)
        assert tables.schema.dataset == "my_shop"
        for name in ("events", "users", "items"):
            assert getattr(tables, name).equals(getattr(expected, name)), name

    def test_kinds_are_guessed_by_type_and_cardinality(self, written: Path) -> None:
        guessed, declared = custom.load(written).schema, tiny.SCHEMA
        kinds = {f.name: f.kind for v in guessed.views for f in v.features}
        assert kinds == {f.name: f.kind for v in declared.views for f in v.features}
        item = {f.name: f for f in guessed.view("item_profile").features}
        assert item["category"].filterable
        assert item["title"].display
        assert item["picture"].dim == 4

    def test_few_whole_numbers_are_categories_and_id_columns_ids(self, tmp_path: Path) -> None:
        tiny.write(tmp_path, seed=7)
        row = pl.int_range(pl.len())
        items = pl.read_csv(tmp_path / "items.csv", infer_schema=False)
        items.with_columns(stars=row % 5, grams=row, brand_id=row % 60, empty=None).write_csv(tmp_path / "items.csv")
        features = yaml.safe_load(inspect_folder(tmp_path))["items"]["features"]
        kinds = {name: features[name]["kind"] for name in ("stars", "grams", "brand_id")}
        assert kinds == {"stars": "categorical", "grams": "numeric", "brand_id": "id"}
        assert "empty" not in features

    def test_seen_items_may_return_where_they_do(self, tmp_path: Path) -> None:
        tiny.write(tmp_path, seed=7)
        assert yaml.safe_load(inspect_folder(tmp_path))["seen_items_may_return"] is True
        events = pl.read_csv(tmp_path / "events.csv", infer_schema=False)
        events.unique(["user_id", "item_id"]).write_csv(tmp_path / "events.csv")
        assert yaml.safe_load(inspect_folder(tmp_path))["seen_items_may_return"] is False

    def test_an_existing_yaml_is_never_overwritten(self, written: Path) -> None:
        written.joinpath(custom.YAML_NAME).write_text("mine")
        with pytest.raises(InputError, match="there already"):
            init_folder(written)
        assert written.joinpath(custom.YAML_NAME).read_text() == "mine"

    def test_awkward_columns_get_free_names(self, tmp_path: Path) -> None:
        tiny.write(tmp_path, seed=7)
        items = pl.read_csv(tmp_path / "items.csv", infer_schema=False)
        awkward = {"category": "Größe (cm)", "list_price": "price_28d", "released": "created", "tags": "on"}
        items.rename(awkward).write_csv(tmp_path / "items.csv")
        init_folder(tmp_path)
        names = custom.load(tmp_path).items.columns
        assert names == ["item_id", "größe_cm", "on", "item_price_28d", "item_created", "title", "picture"]

    def test_columns_named_as_standard_features_and_arrays_get_free_names(self, tmp_path: Path) -> None:
        folder = tmp_path / "日本"
        tiny.write(folder, seed=7)
        users = pl.read_csv(folder / "users.csv", infer_schema=False)
        names = ("history", "history_ages", "history_items", "user_embedding", "Kind", "KIND", "class")
        users.with_columns(pl.col("style").alias(name) for name in names).write_csv(folder / "users.csv")
        init_folder(folder)
        tables = custom.load(folder)
        assert tables.schema.dataset == "日本"
        assert tables.users.columns[-7:] == [
            "user_history", "user_history_ages", "user_history_items", "user_user_embedding", "kind", "user_kind",
            "class",
        ]  # fmt: skip

    def test_whole_number_times_get_their_unit(self, tmp_path: Path) -> None:
        tiny.write(tmp_path, seed=7)
        events = pl.read_csv(tmp_path / "events.csv", try_parse_dates=True)
        seconds = events.with_columns(pl.col("timestamp", "created").dt.epoch("ms"))
        seconds.write_csv(tmp_path / "events.csv")
        init_folder(tmp_path)
        assert custom.load(tmp_path).events.equals(tiny.generate(seed=7).events)

    def test_parquet_lists_are_told_apart(self, tmp_path: Path) -> None:
        expected = tiny.generate(seed=7)
        expected.events.write_parquet(tmp_path / "log.parquet")
        expected.items.write_parquet(tmp_path / "products.parquet")
        features = yaml.safe_load(inspect_folder(tmp_path))["items"]["features"]
        assert features["tags"]["kind"] == "multi_valued"
        assert features["picture"] == {"kind": "vector", "dim": 4}

    def test_a_file_named_after_impressions_is_no_log_of_events_however_large(self, tmp_path: Path) -> None:
        tiny.write(tmp_path, seed=7)
        expected = tiny.generate(seed=7)
        twice = pl.concat([expected.events, expected.events.with_columns(pl.col("timestamp").dt.offset_by("-1h"))])
        twice.write_parquet(tmp_path / "impressions.parquet")
        init_folder(tmp_path)
        tables = custom.load(tmp_path)
        assert tables.events.equals(expected.events)
        assert tables.impressions is not None
        assert tables.impressions.height == 2 * expected.events.height

    def test_answers_and_surroundings_of_impressions_are_recognised(self, tmp_path: Path) -> None:
        tiny.write(tmp_path, seed=7)
        place = pl.int_range(pl.len())
        shown = tiny.generate(seed=7).events.select("user_id", "item_id", "timestamp")
        shown = shown.with_columns(
            impression_id=place,
            search_id=place // 2,
            rank=place % 2 + 1,
            row=place % 3,  # from 0, so it is not read
            is_click=pl.when(place % 3 == 0).then(pl.lit("yes")).otherwise(pl.lit("no")),
            pscore=1 / (place % 5 + 1),
            random_order=pl.when(place % 4 < 2).then(pl.lit("yes")).otherwise(pl.lit("no")),
            device=pl.when(place % 2 == 0).then(pl.lit("phone")).otherwise(pl.lit("tv")),
            slot=pl.format("slot {}", place),
        )
        shown.write_csv(tmp_path / "impressions.csv")
        text = inspect_folder(tmp_path)
        section = yaml.safe_load(text)["impressions"]
        found = {
            "request": "search_id",
            "position": "rank",
            "click": "is_click",
            "propensity": "pscore",
            "randomised": "random_order",
        }
        assert section == {
            "file": "impressions.csv", "user": "user_id", "item": "item_id", "timestamp": "timestamp",
            "context": {"device": "device"}, **found,
        }  # fmt: skip
        assert "# not used: impression_id, row, slot" in text
        init_folder(tmp_path)
        impressions = custom.load(tmp_path).impressions
        assert impressions is not None
        assert impressions.columns[4:] == ["request_id", "position", "click", "propensity", "randomised", "device"]

    def test_a_folder_without_events_is_told_what_was_seen(self, tmp_path: Path) -> None:
        tiny.write(tmp_path, seed=7)
        tmp_path.joinpath("events.csv").unlink()
        with pytest.raises(
            InputError,
            match=r"no file has a user, an item[\s\S]*users\.csv: user user_id, item \(none\), time",
        ):
            inspect_folder(tmp_path)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no files to look at"):
            inspect_folder(tmp_path)
