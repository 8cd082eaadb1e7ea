"""Delimited text: every row is read as it was written, or an error names its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.datasets.delimited import DELIMITERS, TextForm, parse_delimited
from feature_repo.datasets.files import read_table
from feature_repo.errors import InputError

CELLS = st.text(st.sampled_from("ab1 é'\"\\,;\t|\n\r_-."), max_size=6)
WIDTH = st.shared(st.integers(2, 4), key="width")
TABLES = WIDTH.flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=12))


def parse(text: str, **form: object) -> pl.DataFrame:
    return parse_delimited("t.csv", text.encode(), TextForm(**form))  # type: ignore[arg-type]


def cells(frame: pl.DataFrame) -> list[list[str]]:
    return [["" if cell is None else cell for cell in row] for row in frame.rows()]


class TestEveryRow:
    @settings(max_examples=300, deadline=None)
    @given(
        rows=TABLES, delimiter=st.sampled_from(DELIMITERS), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    )
    def test_what_the_csv_module_writes_is_read_or_refused(
        self, rows: list[list[str]], delimiter: str, quoting: int
    ) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
        header = [f"c{place}" for place in range(len(rows[0]))]
        writer.writerows([header, *rows])
        try:
            found = cells(parse(text.getvalue(), delimiter=delimiter))
        except InputError as error:
            # Only cells that end like a row are refused.
            assert "looks like rows" in str(error)
            assert any("\n" in cell or "\r" in cell for row in rows for cell in row)
        else:
            assert found == rows

    @settings(max_examples=300, deadline=None)
    @given(text=st.text(st.sampled_from('ab,"\\\n'), max_size=60))
    def test_any_text_gives_the_rows_of_the_csv_module_or_an_error(self, text: str) -> None:
        try:
            found = parse("x,y\n" + text, delimiter=",")
        except InputError:
            return
        strict = csv.reader(io.StringIO("x,y\n" + text, newline=""), strict=True)
        try:
            wanted = [row for row in strict if row][1:]
        except csv.Error:
            wanted = []
        if not wanted or any(len(row) != 2 for row in wanted):
            # Not valid as it stands, so it was read with backslashes before quotes.
            assert not found.height or '\\"' in text
        else:
            assert cells(found) == wanted

    @pytest.mark.parametrize("rows", [1, 3, 1000])
    def test_quoted_and_unquoted_text_are_one_table(self, rows: int) -> None:
        plain = "a,b\n" + "".join(f"{row},x{row}\n" for row in range(rows))
        quoted = 'a,b\n"0",x0\n' + "".join(f"{row},x{row}\n" for row in range(1, rows))
        assert parse(plain).equals(parse(quoted))

    def test_line_ends_of_windows_and_blank_lines_at_the_end(self) -> None:
        assert cells(parse("a,b\r\n1,2\r\n\r\n")) == [["1", "2"]]

    def test_first_rows_only(self) -> None:
        frame = parse_delimited("t.csv", b'a,b\n1,"x\ny"\n2,z\n3,z\n', TextForm(), rows=2)
        assert cells(frame) == [["1", "x\ny"], ["2", "z"]]


class TestQuotes:
    @pytest.mark.parametrize(
        ("row", "title"),
        [
            (r'i1,k,"12\" pizza"', '12" pizza'),
            (r'i1,k,"a \"big\", one"', 'a "big", one'),
            (r'i1,k,12" wide', '12" wide'),
        ],
    )
    def test_a_quote_inside_a_cell_is_part_of_it(self, row: str, title: str) -> None:
        assert parse(f'id,k,title\ni0,k,"plain"\n{row}\ni2,k,"end"\n')["title"].to_list() == ["plain", title, "end"]

    def test_backslashes_that_are_no_escapes_stay(self) -> None:
        frame = parse('a,b\n"x\\"y","\\N"\n1,C:\\dir\\\n2,"\\\\server\\d"\n')
        assert cells(frame) == [['x"y', "\\N"], ["1", "C:\\dir\\"], ["2", "\\\\server\\d"]]

    def test_a_quote_that_is_never_closed_names_its_line(self) -> None:
        with pytest.raises(InputError, match=r"t\.csv, lines 3 to 4: a quote that does not belong.*never closed"):
            parse('a,b\n1,2\n"3,4\n5,6\n')

    @pytest.mark.parametrize("plain", ["ok", '"ok"'])
    def test_two_stray_quotes_do_not_swallow_the_rows_between(self, plain: str) -> None:
        rows = [f"u{row:03d},i{row % 7},2024-01-01 00:{row % 60:02d}:00,{plain}" for row in range(200)]
        rows[20] = 'u020,i3,2024-01-01 00:00:00,"open'
        rows[120] = 'u120,i3,2024-01-01 00:00:00,12"'
        with pytest.raises(InputError, match="lines 22 to "):
            parse("user,item,time,comment\n" + "\n".join(rows))

    def test_prose_over_several_lines_is_one_cell(self) -> None:
        assert cells(parse('id,k,text\ni1,k1,"two\nlines, with commas, in it"\n')) == [
            ["i1", "k1", "two\nlines, with commas, in it"]
        ]

    def test_a_long_cell(self) -> None:
        assert parse('a,b\n1,"' + "x" * 200_000 + '"\n')["b"].str.len_chars().item() == 200_000


class TestShape:
    @pytest.mark.parametrize("quote", ["", '"'])
    def test_rows_of_other_lengths_name_their_lines(self, quote: str) -> None:
        text = f"a,b,c\n1,2,{quote}3{quote}\n1,2,3,4\n1,2\n1,2,3\n"
        with pytest.raises(
            InputError, match=r"t\.csv, line 3: 4 cells; line 4: 2 cells; wanted 3 in each row \(2 rows"
        ):
            parse(text)

    def test_a_name_that_stands_twice(self) -> None:
        with pytest.raises(InputError, match=r"line 1: 'a' stands twice in the header"):
            parse("a,b,a\n1,2,3\n")

    @pytest.mark.parametrize("delimiter", DELIMITERS)
    @pytest.mark.parametrize("quote", ["", '"'])
    def test_the_delimiter_is_found(self, delimiter: str, quote: str) -> None:
        rows = [["id", "name", "price"], ["1", f"{quote}x y{quote}", "2"], ["2", "z", "3"]]
        assert cells(parse("\n".join(map(delimiter.join, rows)))) == [["1", "x y", "2"], ["2", "z", "3"]]

    def test_other_delimiters_inside_cells_do_not_count(self) -> None:
        frame = parse("id;price;tags\n1;1,5;a|b|c|d\n2;2,5;a\n")
        assert frame.columns == ["id", "price", "tags"]

    def test_names_of_a_file_without_a_header(self) -> None:
        frame = parse("1::2\n3::4\n", delimiter="::", columns=("user", "item"))
        assert frame.to_dicts() == [{"user": "1", "item": "2"}, {"user": "3", "item": "4"}]


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_marks_are_understood(self, tmp_path: Path, encoding: str) -> None:
        path = tmp_path / "t.csv"
        path.write_bytes("a,b\né,2\n".encode(encoding))
        assert read_table(path).to_dicts() == [{"a": "é", "b": "2"}]

    def test_a_named_encoding(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_bytes("a,b\né,2\n".encode("latin-1"))
        assert read_table(path, form=TextForm(encoding="latin-1"))["a"].item() == "é"
        with pytest.raises(InputError, match="no encoding 'latin-99'"):
            read_table(path, form=TextForm(encoding="latin-99"))

    def test_others_are_refused_with_line_and_column(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_bytes("a,b\nx,2\nx,Café\n".encode("latin-1"))
        with pytest.raises(InputError, match=r"t\.csv, column 'b': text that is not UTF-8, first in line 3.*encoding:"):
            read_table(path)

    def test_utf_16_without_a_mark(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_bytes("a,b\n1,2\n".encode("utf-16-le"))
        with pytest.raises(InputError, match="utf-16-le"):
            read_table(path)
        assert read_table(path, form=TextForm(encoding="utf-16-le")).rows() == [("1", "2")]
