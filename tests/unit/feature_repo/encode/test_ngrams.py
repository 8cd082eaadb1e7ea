"""Character n-grams: words of one stem share buckets, whole words keep theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feature_repo.encode.text import word_parts
from feature_repo.feature import Feature, Kind
from tests.unit.feature_repo.encode.encode_world import PAD, code_of, fitted, frame_of

PLAIN = Feature(name="title", kind=Kind.TEXT, length=60)
NGRAMS = replace(PLAIN, ngrams=(3, 5))


def codes(title: str | None, feature: Feature = NGRAMS) -> list[int]:
    found = fitted(features=(feature,)).encode(frame_of({"title": title}))["title"][0].tolist()
    return [code for code in found if code != PAD]


def alike(one: str, other: str) -> float:
    """Jaccard similarity of the codes."""
    first, second = set(codes(one)), set(codes(other))
    return len(first & second) / len(first | second)


def test_the_parts_of_a_word_are_those_of_the_paper() -> None:
    assert [part[1:] for part in word_parts("where", 3, 3)] == ["<wh", "whe", "her", "ere", "re>"]
    assert [part[1:] for part in word_parts("at", 3, 9)] == ["<at", "at>"]


def test_words_of_one_stem_share_buckets_and_others_do_not() -> None:
    assert alike("chocolate", "chocolates") > 0.6
    assert alike("chocolate", "chocolat") > 0.6
    assert alike("chocolate", "shampoo") < 0.1
    assert not set(codes("chocolate", PLAIN)) & set(codes("chocolates", PLAIN))


def test_words_come_first_and_keep_their_codes() -> None:
    assert codes("Red tea")[:2] == codes("red TEA", PLAIN) == [code_of("red"), code_of("tea")]
    assert codes("Red tea")[2:6] == [code_of(f"#{part}") for part in ("<re", "red", "ed>", "<red")]
    assert codes("red tea", replace(NGRAMS, length=2)) == codes("red tea", PLAIN)


def test_the_middle_of_a_word_is_no_word() -> None:
    assert code_of("tea") not in codes("steam")


def test_without_ngrams_a_text_is_its_words() -> None:
    assert codes("one two three", PLAIN) == [code_of(word) for word in ("one", "two", "three")]


@pytest.mark.parametrize("title", [None, "", "?!"])
def test_a_text_without_words_is_empty(title: str | None) -> None:
    assert codes(title) == []
