"""Encoders: hashed words, against the hashes written from their papers."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import polars as pl
import pytest

from feature_repo.encode import Encoder
from feature_repo.encode.text import tokens
from feature_repo.schema import Kind
from tests.unit.feature_repo.encode.encode_world import (
    PAD,
    code_of,
    fitted,
    frame_of,
    only,
    siphash,
)


class TestText:
    ENCODER = fitted(features=only(Kind.TEXT))

    def codes(self, *titles: str | None) -> list[list[int]]:
        found: list[list[int]] = self.ENCODER.encode(frame_of(*({"title": title} for title in titles)))[
            "title"
        ].tolist()
        return found

    def test_the_reference_hash_is_right(self) -> None:
        assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5  # the paper's own example

    @pytest.mark.parametrize("token", ["tea", "7", "東京", "æther", "nan", "a" * 100])
    def test_a_token_has_the_same_code_everywhere(self, token: str) -> None:
        assert self.codes(token)[0] == [code_of(token), PAD, PAD, PAD]

    def test_the_code_of_tea_is_fixed_for_ever(self) -> None:
        """Released towers were trained with these codes."""
        assert self.codes("tea")[0][0] == 2878

    def test_case_and_punctuation_do_not_matter_but_order_is_kept(self) -> None:
        red, green = self.codes("red TEA", "Red -- tea!")
        assert red == green
        assert self.codes("tea red")[0][:2] == red[1::-1]

    def test_long_texts_are_cut_and_empty_ones_are_pad(self) -> None:
        long, short, *nothing = self.codes("a b c d e f", "a b c d", "", "?!", None)
        assert long == short
        assert nothing == [[PAD] * 4] * 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("Tiếng Việt", ["tiếng", "việt"]),
        ("İstanbul İZMİR", ["istanbul", "izmir"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("ΟΔΟΣ οδός", ["οδοσ", "οδόσ"]),
        ("x̌́ y", ["x̌́", "y"]),
        ("❤️ 1️⃣ tea", ["1️⃣", "tea"]),
        ("co\u00adop می\u200cخواهم", ["coop", "میخواهم"]),
        ("a-b_c,d", ["a", "b", "c", "d"]),
    ],
)
def test_words_are_those_of_unicode(text: str, words: list[str]) -> None:
    for form in ("NFC", "NFD"):
        found = tokens(pl.Series([unicodedata.normalize(form, text)]), None)[0].to_list()
        assert found == [unicodedata.normalize("NFC", word) for word in words]


def test_encoders_of_former_releases_keep_their_words() -> None:
    encoder = fitted(features=only(Kind.TEXT))
    former = replace(encoder, word_rule=1)
    title = frame_of({"title": "हिन्दी"})
    assert former.encode(title)["title"].tolist() == [[code_of("ह"), code_of("न"), code_of("द"), PAD]]
    assert encoder.encode(title)["title"].tolist() == [[code_of("हिन्दी"), PAD, PAD, PAD]]
    assert "word_rule" not in former.to_json()
    for each in (encoder, former):
        assert Encoder.from_json(each.to_json()) == each
    assert former.extended(["item_id"], ["i9"]).word_rule == 1
