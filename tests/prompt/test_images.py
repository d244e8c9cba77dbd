"""Which values are images, and what they become in a prompt."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from IPython.display import Image as DisplayImage
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from mm_magics.api.canonical import canonical_json
from mm_magics.errors import PromptError
from mm_magics.history.exact_json import exact_texts
from mm_magics.prompt.image_file import media_type
from mm_magics.prompt.images import MAX_IMAGE_BYTES, PromptImages, image_block, image_blocks, image_data, image_problem
from mm_magics.prompt.template import Template, render


def saved(format_: str, mode: str = "RGB", color: Any = 0) -> bytes:
    file = BytesIO()
    Image.new(mode, (3, 2), color).save(file, format=format_)
    return file.getvalue()


def figure() -> Figure:
    made = Figure(figsize=(1, 1))
    made.subplots().plot([1, 2])
    return made


FILES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}


@pytest.mark.parametrize(("format_", "kind"), FILES.items())
def test_image_files_are_recognized_by_their_first_bytes(format_: str, kind: str) -> None:
    data = saved(format_)
    assert media_type(data) == kind
    block = image_block(data)
    assert block == {
        "type": "image",
        "source": {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()},
    }
    assert exact_texts({}, [{"role": "user", "content": [block]}]) == {}, "the image would be stored twice"


@pytest.mark.parametrize("data", [b"", b"x", b"\x89PNG", b"RIFF\0\0\0\0WAVE", b"BM1234", b"<svg></svg>", b"%PDF-1.4"])
def test_other_bytes_are_not_an_image(data: bytes) -> None:
    assert media_type(data) is None
    assert image_data(data) is None
    assert image_data(DisplayImage(data=data, format="png")) is None
    assert image_problem(data) == "it is not PNG, JPEG, GIF or WebP"
    with pytest.raises(PromptError, match="not PNG, JPEG, GIF or WebP"):
        image_block(data)


def test_an_image_that_is_too_large_is_refused() -> None:
    largest = saved("PNG").ljust(MAX_IMAGE_BYTES, b"\0")
    assert image_block(largest)["type"] == "image"
    with pytest.raises(PromptError) as caught:
        image_block(largest + b"\0")
    assert caught.value.message == "The image cannot be sent: it has 10.0 MB, and the limit is 10 MB."
    assert caught.value.hint == "Convert it, or make it smaller."


@pytest.mark.parametrize("make", [lambda: saved("JPEG")[:-50], lambda: saved("PNG")[:60]])
def test_an_image_that_is_damaged_is_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(PromptError, match="cannot be sent: the file is damaged or incomplete"):
        image_block(make())


def test_an_image_with_too_many_pixels_is_refused() -> None:
    def picture(width: int) -> bytes:
        file = BytesIO()
        Image.new("1", (width, 1)).save(file, format="PNG")
        return file.getvalue()

    assert image_problem(picture(8_000)) == ""
    with pytest.raises(PromptError, match="8001×1 pixels, and the limit is 8,000 per side"):
        image_block(picture(8_001))


MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "HSV", "I")
VALUES: list[tuple[str, Callable[[], Any]]] = [
    ("a figure", figure),
    ("its axes", lambda: figure().axes[0]),
    ("a line in it", lambda: figure().axes[0].lines[0]),
    *((f"a PIL image, {mode}", lambda mode=mode: Image.new(mode, (2, 2))) for mode in MODES),
    *((f"{name} bytes", lambda name=name: saved(name)) for name in FILES),
    ("a bytearray", lambda: bytearray(saved("PNG"))),
    ("a memoryview", lambda: memoryview(saved("PNG"))),
    ("a BytesIO", lambda: BytesIO(saved("PNG"))),
    ("an IPython image", lambda: DisplayImage(data=saved("PNG"))),
]


@pytest.mark.parametrize("make", [make for _, make in VALUES], ids=[name for name, _ in VALUES])
def test_a_value_that_is_an_image_becomes_one(make: Callable[[], Any]) -> None:
    images = PromptImages()
    text = Template("See {{ value }}.").fill({"value": make()}, images.as_text)
    assert text == "See [image 1]."
    label, block = images.blocks
    assert label == {"type": "text", "text": "[image 1]:"}
    data = base64.b64decode(block["source"]["data"])
    assert media_type(data) == block["source"]["media_type"]
    Image.open(BytesIO(data)).verify()


def both() -> list[Any]:
    return [Image.new("RGB", (2, 2)), figure()]


SEVERAL: list[tuple[Callable[[], Any], str, int]] = [
    (both, "[image 1], [image 2]", 2),
    (lambda: tuple(both()), "[image 1], [image 2]", 2),
    (lambda: dict(zip(("before", "after"), both(), strict=True)), "before: [image 1], after: [image 2]", 2),
    (lambda: Figure().subplots(2, 2), "[image 1]", 1),
    (lambda: figure().axes[0].lines[:], "[image 1]", 1),
    (lambda: [*both(), 3], "", 0),
    (lambda: [[*both()]], "", 0),
    (lambda: both() * 11, "", 0),
    (lambda: [], "[]", 0),
    (lambda: {}, "{}", 0),
]


@pytest.mark.parametrize(("make", "text", "count"), SEVERAL)
def test_a_short_list_or_dict_of_images_becomes_their_names(make: Callable[[], Any], text: str, count: int) -> None:
    images = PromptImages()
    written = images.as_text(make())
    assert written == text or (not text and "[image" not in written)
    assert [block["type"] for block in images.blocks] == ["text", "image"] * count


@pytest.mark.parametrize("make", [lambda: Image.new("RGB", (0, 0)), lambda: Figure(figsize=(0, 0))])
def test_an_image_that_cannot_be_made_is_an_error_of_the_prompt(make: Callable[[], Any]) -> None:
    with pytest.raises(PromptError, match="The image cannot be made"):
        PromptImages().as_text(make())


class WithFigure:
    figure = "a name"


class Failing:
    @property
    def figure(self) -> Any:
        raise RuntimeError

    def __repr__(self) -> str:
        return "failing"


@pytest.mark.parametrize(
    ("value", "text"),
    [(b"bytes", "b'bytes'"), (Failing(), "failing"), (Path("a.png"), "a.png"), (None, "None"), ("text", "text")],
)
def test_any_other_value_stays_text(value: Any, text: str) -> None:
    images = PromptImages()
    assert images.as_text(value) == text
    assert images.blocks == []
    assert image_data(WithFigure()) is None


def test_equal_images_are_sent_once_and_others_are_numbered() -> None:
    one, two = saved("PNG", color=(1, 2, 3)), saved("PNG", color=(4, 5, 6))
    images = PromptImages()
    text = Template("{{ a }}, {{ b }}, {{ a }}").fill({"a": one, "b": two}, images.as_text)
    assert text == "[image 1], [image 2], [image 1]"
    assert [block["type"] for block in images.blocks] == ["text", "image"] * 2
    assert canonical_json(images.blocks) == canonical_json(images.blocks)


def test_images_of_a_cell_are_named() -> None:
    data = saved("PNG")
    assert image_blocks("c1", [("a.png", data), ("b.png", data)]) == [
        {"type": "text", "text": "[a.png of cell c1]:"},
        image_block(data),
        {"type": "text", "text": "[b.png of cell c1]:"},
        image_block(data),
    ]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_picture_keeps_its_mode(mode: str) -> None:
    data = image_data(Image.new(mode, (2, 2)))
    assert data is not None
    assert Image.open(BytesIO(data)).mode == mode


def test_a_figure_is_saved_as_png_whatever_matplotlib_is_set_to() -> None:
    with rc_context({"savefig.format": "svg"}):
        data = image_data(figure())
    assert data is not None
    assert media_type(data) == "image/png"


def test_a_text_that_is_not_the_prompt_cannot_contain_images() -> None:
    with pytest.raises(PromptError, match=r"\{\{ fig \}\} failed with ValueError: only the prompt itself can contain"):
        render("Be brief. {{ fig }}", {"fig": figure()})
