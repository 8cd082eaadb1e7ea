"""Three plain CSV files with nothing but what is needed: read whole, without a remark, in any folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets import custom
from feature_repo.datasets.fingerprint import fingerprint
from feature_repo.datasets.init_config import init_folder
from feature_repo.schema import Entity, Kind
from tests.unit.feature_repo.datasets.shop_files import EVENTS, ITEMS, USERS, events, items, write_shop


def shop(folder: Path) -> Path:
    titles = [f"item {number} of kind {number % 4}" for number in range(ITEMS)]
    write_shop(folder, items=items(title=titles))
    init_folder(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("plain")
    return shop(root / "base"), shop(root / "none")


def test_every_row_and_column_is_read_without_a_remark(folders: tuple[Path, Path]) -> None:
    tables = custom.load(folders[0])
    assert (tables.events.height, tables.users.height, tables.items.height) == (EVENTS, USERS, ITEMS)
    wanted = pl.DataFrame(events()[1:], schema=events()[0], orient="row").sort(pl.all())
    read = tables.events.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M:%S"))
    assert read.select(wanted.columns).sort(pl.all()).equals(wanted)
    assert tables.notes == ()
    kinds = {f.name: f.kind for view in ("user_profile", "item_profile") for f in tables.schema.view(view).features}
    assert kinds == {"region": Kind.CATEGORICAL, "kind": Kind.CATEGORICAL, "title": Kind.TEXT}
    assert not {"value", "basket_id"} & set(tables.events.columns)
    assert "spend_all" not in {feature.name for feature in tables.schema.features_of(Entity.USER)}


def test_the_folder_names_the_dataset_and_changes_nothing_else(folders: tuple[Path, Path]) -> None:
    first, second = map(custom.load, folders)
    assert (first.schema.dataset, second.schema.dataset) == ("base", "none")
    assert fingerprint(first).sha256 == fingerprint(second).sha256
    assert [each.features for each in first.schema.views] == [each.features for each in second.schema.views]
