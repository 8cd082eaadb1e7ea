"""YAML of people: a key stands once, and what it stands for is bounded."""

from __future__ import annotations

import pytest

from feature_repo.read_yaml import MOST_VALUES, read_yaml


def test_plain_yaml_is_read_as_it_stands() -> None:
    text = "margin: &m 0.02\nrules: [{a: *m}, {b: *m}]\nnone:\nlist: [1, x, true]\n"
    wanted = {"margin": 0.02, "rules": [{"a": 0.02}, {"b": 0.02}], "none": None, "list": [1, "x", True]}
    assert read_yaml(text) == wanted
    assert read_yaml("# a comment\n") is None


def test_a_key_that_stands_twice_is_refused_wherever_it_stands() -> None:
    with pytest.raises(ValueError, match="margin in line 3 is there already, in line 1"):
        read_yaml("margin: 1\nother: 2\nmargin: 3\n")
    with pytest.raises(ValueError, match="a in line 2 is there already"):
        read_yaml("rules:\n  - {a: 1, a: 2}\n")


@pytest.mark.parametrize("text", ["[" * 5000, "a: &a [*a]"])
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        read_yaml(text)


def test_aliases_that_stand_for_billions_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(ValueError, match=f"more than {MOST_VALUES:,} values, with its aliases written out"):
        read_yaml("\n".join(lines))


def test_a_long_text_without_aliases_is_read() -> None:
    assert len(read_yaml("\n".join(f"k{n}: {n}" for n in range(20_000)))) == 20_000
