"""What an image file is, from its bytes: type, size, and whether the file is complete."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mm_magics.prompt.image_file import IMAGE_TYPES, image_size, media_type


def saved(format_: str, mode: str = "RGB", size: tuple[int, int] = (37, 23), **options: Any) -> bytes:
    file = BytesIO()
    picture = Image.effect_noise(size, 50).convert(mode)
    picture.save(file, format=format_, **options)
    return file.getvalue()


NOISE = [Image.effect_noise((37, 23), spread) for spread in (20, 90)]
FILES = {
    "PNG": saved("PNG"),
    "PNG with transparency": saved("PNG", "RGBA"),
    "PNG with a palette and a text": saved("PNG", "P", dpi=(300, 300)),
    "PNG of one bit": saved("PNG", "1"),
    "PNG with bytes after its end": saved("PNG") + b"\0more",
    "JPEG": saved("JPEG"),
    "progressive JPEG": saved("JPEG", progressive=True),
    "gray JPEG": saved("JPEG", "L"),
    "JPEG with a comment": saved("JPEG", comment=b"\xff\xd9 not the end"),
    "JPEG with EXIF": saved("JPEG", exif=b"Exif\0\0" + b"\xff\xd8\xff\xd9" * 50),
    "JPEG with bytes after its end": saved("JPEG") + b"thumbnail",
    "GIF": saved("GIF", "P"),
    "animated GIF": saved("GIF", "P", save_all=True, append_images=NOISE),
    "WebP": saved("WEBP"),
    "WebP without loss": saved("WEBP", lossless=True),
    "WebP with transparency": saved("WEBP", "RGBA"),
    "animated WebP": saved("WEBP", save_all=True, append_images=NOISE),
}


@pytest.mark.parametrize("name", FILES)
def test_the_size_is_read_from_the_file(name: str) -> None:
    data = FILES[name]
    assert media_type(data) in IMAGE_TYPES
    assert image_size(data) == (37, 23)
    assert str(image_size(data)) == "37×23"


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (5_000, 2), (16_383, 1)])
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "GIF", "WEBP"])
def test_sizes_of_every_format(format_: str, size: tuple[int, int]) -> None:
    assert image_size(saved(format_, "L", size)) == size


@pytest.mark.parametrize("size", [(65_500, 1), (1, 65_500)])
@pytest.mark.parametrize("format_", ["JPEG", "GIF"])
def test_a_side_may_need_all_sixteen_bits(format_: str, size: tuple[int, int]) -> None:
    assert image_size(saved(format_, "L", size)) == size


def test_fill_bytes_before_a_marker_are_skipped() -> None:
    data = saved("JPEG")
    assert data[2] == 0xFF
    for count in (1, 2, 3):
        assert image_size(data[:2] + b"\xff" * count + data[2:]) == (37, 23)


@pytest.mark.parametrize("version", [b"GIF87a", b"GIF89a"])
@pytest.mark.parametrize("end", [b";", b";\0", b";\0\0\0"])
def test_both_versions_of_gif_may_end_with_zeros(version: bytes, end: bytes) -> None:
    data = version + saved("GIF", "P")[6:-1]
    assert image_size(data + end) == (37, 23)
    assert image_size(data) is None


@pytest.mark.parametrize(
    "data",
    [
        saved("WEBP")[:12] + b"VP8?" + saved("WEBP")[16:],
        saved("JPEG")[:2] + b"\xff\xfe\0\1" + saved("JPEG")[2:],
        saved("JPEG")[:20] + b"\0\xfe\0\4ab" + saved("JPEG")[20:],
        saved("GIF", "P").replace((37).to_bytes(2, "little") + (23).to_bytes(2, "little"), b"\0\0\0\0", 1),
    ],
    ids=["unknown chunk", "length of 1", "no marker", "no pixels"],
)
def test_a_file_with_impossible_parts_has_no_size(data: bytes) -> None:
    assert media_type(data) in IMAGE_TYPES
    assert image_size(data) is None


def test_an_empty_comment_in_a_jpeg_is_skipped() -> None:
    assert image_size(saved("JPEG")[:2] + b"\xff\xfe\0\2" + saved("JPEG")[2:]) == (37, 23)


@pytest.mark.parametrize("name", [name for name in FILES if "after" not in name])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_file_that_ends_early_has_no_size(name: str, part: float) -> None:
    data = FILES[name]
    assert image_size(data[: int(len(data) * part)]) is None


def test_a_damaged_byte_of_a_png_is_noticed() -> None:
    data = bytearray(saved("PNG"))
    data[len(data) // 2] ^= 0xFF
    assert image_size(bytes(data)) is None


@pytest.mark.parametrize(
    "data", [b"", b"<svg/>", b"BM12", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n", b"GIF89a;", b"\xff\xd8\xff"]
)
def test_other_data_has_no_size(data: bytes) -> None:
    assert image_size(data) is None


@pytest.mark.fuzz
@given(st.sampled_from([data[:30] for data in FILES.values()]), st.integers(0, 30), st.binary(max_size=200))
def test_no_bytes_raise_an_error(head: bytes, at: int, rest: bytes) -> None:
    size = image_size(head[:at] + rest)
    assert size is None or min(size) > 0
