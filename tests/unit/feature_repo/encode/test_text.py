"""Encoders: hashed words, against the hashes written from their papers."""

from __future__ import annotations

import pytest

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
