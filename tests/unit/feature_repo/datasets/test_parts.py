"""Several files of one table, and the forms of files: all rows, or a message."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from feature_repo.datasets import custom
from feature_repo.datasets.files import read_table
from feature_repo.datasets.init_config import init_folder, inspect_folder
from feature_repo.datasets.parts import read_parts
from feature_repo.errors import InputError
from tests.unit.feature_repo.datasets.shop_files import EVENTS, as_csv, events, write_shop

HEADER, *ROWS = events()


def halves(folder: Path, *names: str) -> None:
    """The shop with its events in several files."""
    write_shop(folder)
    folder.joinpath("events.csv").unlink()
    size = len(ROWS) // len(names)
    for place, name in enumerate(names):
        folder.joinpath(name).write_text(as_csv([HEADER, *ROWS[place * size : (place + 1) * size]]))


class TestPartFiles:
    @pytest.mark.parametrize(
        ("names", "file"),
        [
            (("events_2024_01.csv", "events_2024_02.csv"), "events_*.csv"),
            (("log-jan.csv", "log-feb.csv", "log-mar.csv"), "log-*.csv"),
            (("part-00000-1b2c.csv", "part-00001-1b2c.csv"), "part-*b*c.csv"),
            (("events.csv", "events_2.csv"), None),
        ],
    )
    def test_init_reads_them_as_one_table_or_names_them(
        self, tmp_path: Path, names: tuple[str, ...], file: str | None
    ) -> None:
        halves(tmp_path, *names)
        text = inspect_folder(tmp_path)
        init_folder(tmp_path)
        tables = custom.load(tmp_path)
        if file:
            assert f'file: "{file}"' in text
            assert tables.events.height == EVENTS
        else:
            assert "There, and not read: events_2.csv" in text
            assert "`file` may list both" in text
            assert "there, and not read: events_2.csv" in tables.notes

    def test_a_folder_of_spark(self, tmp_path: Path) -> None:
        write_shop(tmp_path)
        tmp_path.joinpath("events.csv").unlink()
        folder = tmp_path / "events.parquet"
        folder.mkdir()
        folder.joinpath("_SUCCESS").touch()
        folder.joinpath(".part-0.crc").write_text("x")
        for place in range(4):
            rows = ROWS[place::4]
            frame = pl.DataFrame(rows, schema=HEADER, orient="row")
            frame.write_parquet(folder / f"part-0000{place}-abc.snappy.parquet")
        init_folder(tmp_path)
        assert custom.load(tmp_path).events.height == EVENTS

    def test_partitions_become_a_column(self, tmp_path: Path) -> None:
        for day in ("2024-01-30", "2024-01-31"):
            folder = tmp_path / "events" / f"day={day}"
            folder.mkdir(parents=True)
            pl.DataFrame({"user": [1]}).write_parquet(folder / "0.parquet")
        assert read_parts(tmp_path, "events").rows() == [(1, "2024-01-30"), (1, "2024-01-31")]

    def test_a_list_of_files(self, tmp_path: Path) -> None:
        halves(tmp_path, "web.csv", "app.csv")
        assert read_parts(tmp_path, ["web.csv", "app.csv"]).height == EVENTS

    def test_columns_may_stand_in_another_order(self, tmp_path: Path) -> None:
        tmp_path.joinpath("a1.csv").write_text("x,y\n1,2\n")
        tmp_path.joinpath("a2.csv").write_text("y,x\n4,3\n")
        assert read_parts(tmp_path, "a*.csv").rows() == [("1", "2"), ("3", "4")]

    def test_other_columns_are_refused(self, tmp_path: Path) -> None:
        tmp_path.joinpath("a1.csv").write_text("x,y\n1,2\n")
        tmp_path.joinpath("a2.csv").write_text("x,z\n1,2\n")
        with pytest.raises(InputError, match=r"a2\.csv: columns x, z, but a1\.csv has x, y"):
            read_parts(tmp_path, "a*.csv")

    def test_ids_of_other_types_are_refused_and_empty_parts_widened(self, tmp_path: Path) -> None:
        pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "a1.parquet")
        pl.DataFrame({"x": [None]}).write_parquet(tmp_path / "a2.parquet")
        assert read_parts(tmp_path, "a*.parquet")["x"].to_list() == [1, None]
        pl.DataFrame({"x": [1.0]}).write_parquet(tmp_path / "a3.parquet")
        with pytest.raises(InputError, match=r"a3\.parquet, column 'x': type Float64, but Int"):
            read_parts(tmp_path, "a*.parquet")

    def test_a_pattern_without_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no file matches"):
            read_parts(tmp_path, "a*.csv")


class TestForms:
    @pytest.mark.parametrize(
        ("name", "pack"),
        [
            ("events.csv.gz", lambda text: gzip.compress(text)),
            ("events.csv.zst", lambda text: pa.compress(text, codec="zstd", asbytes=True)),
            ("EVENTS.CSV", lambda text: text),
            ("events.tsv", lambda text: text.replace(b",", b"\t")),
            ("events.csv", lambda text: text.replace(b",", b";")),
            ("events.csv", lambda text: text.replace(b",", b"|")),
            ("events.csv", lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")),
            ("events.csv", lambda text: text.decode().encode("utf-16")),
        ],
    )
    def test_every_form_gives_the_same_events(self, tmp_path: Path, name: str, pack) -> None:  # type: ignore[no-untyped-def]
        write_shop(tmp_path / "plain")
        init_folder(tmp_path / "plain")
        halves(tmp_path, name)
        path = tmp_path / name
        path.write_bytes(pack(path.read_bytes()))
        init_folder(tmp_path)
        assert custom.load(tmp_path).events.equals(custom.load(tmp_path / "plain").events)

    @pytest.mark.parametrize("name", ["events.jsonl", "events.json", "events.ndjson"])
    def test_json_lines(self, tmp_path: Path, name: str) -> None:
        halves(tmp_path, name)
        lines = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in ROWS]
        tmp_path.joinpath(name).write_text("\n".join(lines))
        init_folder(tmp_path)
        assert custom.load(tmp_path).events.height == EVENTS

    def test_json_numbers_stay_as_written(self, tmp_path: Path) -> None:
        path = tmp_path / "t.jsonl"
        path.write_text('{"id": 90000000000000000051, "x": 12.0, "tags": ["a", "b"]}\n{"id": 7}\n')
        assert read_table(path).rows() == [("90000000000000000051", "12.0", ["a", "b"]), ("7", None, None)]

    def test_a_broken_json_line_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "t.jsonl"
        path.write_text('{"id": 1}\n{"id":\n')
        with pytest.raises(InputError, match=r"t\.jsonl, line 2: not readable as JSON"):
            read_table(path)

    def test_names_in_another_encoding_are_shown_to_the_person(self, tmp_path: Path) -> None:
        rows = "item_id,kind,title\n" + "".join(f"i{number:03d},k,Café {number}\n" for number in range(12))
        write_shop(tmp_path, items=rows.encode("latin-1"))
        assert 'encoding: "windows-1252"  # not UTF-8: do the names read well?' in inspect_folder(tmp_path)
        init_folder(tmp_path)
        assert "Café 3" in custom.load(tmp_path).items["title"]

    def test_what_is_there_and_not_read_is_named(self, tmp_path: Path) -> None:
        write_shop(tmp_path)
        tmp_path.joinpath("prices.xlsx").write_bytes(b"PK")
        tmp_path.joinpath("returns.csv").write_text("order,why\n1,broken\n")
        draft = init_folder(tmp_path)
        assert "there, and not read: prices.xlsx, returns.csv" in draft.remarks
        text = draft.path.read_text()
        assert "# There, and not read: returns.csv: columns order, why." in text
        assert "# There, and not read: prices.xlsx." in text
