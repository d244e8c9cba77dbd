"""Output of any length in bounded memory: what is stored, and what the reader learns about the rest."""

from __future__ import annotations

import tracemalloc

import pytest

from mm_magics.tools.builtin.bounded_text import LIMIT, BoundedText


def written(limit: int, *texts: str) -> str:
    output = BoundedText(limit)
    assert [output.write(text) for text in texts] == [len(text) for text in texts]
    return output.text


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        ((), ""),
        (("abc",), "abc"),
        (("abcdefgh",), "abcdefgh"),
        (("abcdefghi",), "abcd\n… [cut here: 1 characters]\nfghi"),
        (("abc", "", "defgh", "i"), "abcd\n… [cut here: 1 characters]\nfghi"),
        (tuple("abcdefghij"), "abcd\n… [cut here: 2 characters]\nghij"),
        (("x" * 1_000 + "end.",), "xxxx\n… [cut here: 996 characters]\nend."),
        (("x" * 5_000, "y" * 4), "xxxx\n… [cut here: 4,996 characters]\nyyyy"),
    ],
)
def test_the_start_and_the_end_are_stored_and_the_rest_is_counted(texts: tuple[str, ...], text: str) -> None:
    assert written(8, *texts) == text


@pytest.mark.parametrize("size", [10, 3_000])
def test_output_of_any_length_takes_bounded_memory(size: int) -> None:
    output = BoundedText(1_000)
    tracemalloc.start()
    try:
        for number in range(200_000 // size):
            output.write(f"{number:0{size}}")
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


def test_the_usual_limit_is_that_of_a_tool_result() -> None:
    output = BoundedText()
    assert output.writable()
    output.write("a" * LIMIT)
    assert output.text == "a" * LIMIT
    print("b", file=output)
    assert output.text == f"{'a' * (LIMIT // 2)}\n… [cut here: 2 characters]\n{'a' * (LIMIT // 2 - 2)}b\n"
