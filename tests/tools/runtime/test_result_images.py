"""The images in the value that a tool returned: which are sent, and what the text says about them."""

from __future__ import annotations

import enum
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
from IPython.display import Image as DisplayImage
from matplotlib.figure import Figure
from PIL import Image
from pydantic import BaseModel

from mm_magics.prompt.image_file import image_size
from mm_magics.tools.runtime import result_images
from mm_magics.tools.runtime.results import output_of
from mm_magics.tools.tool import ToolOutput


def saved(format_: str = "PNG", size: tuple[int, int] = (3, 2), color: int = 0) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, color).save(file, format=format_)
    return file.getvalue()


def figure() -> Figure:
    made = Figure(figsize=(6.4, 4.8), dpi=100)
    made.subplots().plot([1, 3])
    return made


PNG, JPEG = saved(), saved("JPEG", (5, 4))


class Chart(enum.Enum):
    ONE = PNG


@dataclass
class Report:
    title: str
    picture: bytes


class Model(BaseModel):
    title: str
    picture: bytes


Pair = namedtuple("Pair", "name picture")

VALUES: dict[str, tuple[Callable[[], Any], str, int]] = {
    "a figure": (figure, "[image 1, 640×480]", 1),
    "axes": (lambda: figure().axes[0], "[image 1, 640×480]", 1),
    "a PIL image": (lambda: Image.new("CMYK", (7, 9)), "[image 1, 7×9]", 1),
    "PNG bytes": (lambda: PNG, "[image 1, 3×2]", 1),
    "a bytearray of a JPEG": (lambda: bytearray(JPEG), "[image 1, 5×4]", 1),
    "a file in memory": (lambda: BytesIO(PNG), "[image 1, 3×2]", 1),
    "an IPython image": (lambda: DisplayImage(data=PNG), "[image 1, 3×2]", 1),
    "an enum": (lambda: Chart.ONE, "[image 1, 3×2]", 1),
    "a list": (lambda: [PNG, "text", JPEG], '["[image 1, 3×2]", "text", "[image 2, 5×4]"]', 2),
    "a tuple": (lambda: (1, PNG), '[1, "[image 1, 3×2]"]', 1),
    "a dictionary": (lambda: {"n": 3, "plot": PNG}, '{"n": 3, "plot": "[image 1, 3×2]"}', 1),
    "nested": (lambda: {"a": [{"b": (PNG,)}]}, '{"a": [{"b": ["[image 1, 3×2]"]}]}', 1),
    "twice the same": (lambda: [PNG, PNG], '["[image 1, 3×2]", "[image 1, 3×2]"]', 1),
    "a generator's list": (lambda: {"all": {1: PNG}.values()}, '{"all": ["[image 1, 3×2]"]}', 1),
    "a data class": (lambda: Report("R", PNG), '{"title": "R", "picture": "[image 1, 3×2]"}', 1),
    "a model": (lambda: Model(title="R", picture=PNG), '{"title": "R", "picture": "[image 1, 3×2]"}', 1),
    "a named tuple": (lambda: Pair("R", PNG), '{"name": "R", "picture": "[image 1, 3×2]"}', 1),
    "other bytes": (lambda: b"text", "[4 bytes]", 0),
    "an output": (lambda: ToolOutput("See [image 1].", images=(PNG,)), "See [image 1].", 1),
    "an output with a damaged image": (lambda: ToolOutput("See.", images=(PNG[:40], PNG)), "See.", 1),
    "a truncated PNG": (
        lambda: PNG[:40],
        "[image, 40 bytes: not sent to the model, because the file is damaged or incomplete]",
        0,
    ),
    "a damaged one among others": (
        lambda: [PNG, JPEG[:50]],
        '["[image 1, 3×2]", "[image, 50 bytes: not sent to the model, because the file is damaged or incomplete]"]',
        1,
    ),
    "a wide one": (
        lambda: saved(size=(8_001, 1)),
        "[image, {size:,} bytes: not sent to the model, because it has 8001×1 pixels, and the limit is 8,000 per side]",
        0,
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_images_in_a_value_are_sent_beside_its_text(name: str) -> None:
    make, text, count = VALUES[name]
    output = output_of(make())
    assert output.text == (text.format(size=len(saved(size=(8_001, 1)))) if "size:" in text else text)
    assert len(output.images) == count
    assert all(image_size(image) for image in output.images)
    assert not output.is_error


def test_a_text_or_a_path_that_names_an_image_is_not_one() -> None:
    assert output_of("picture.png") == ToolOutput("picture.png")
    assert output_of({"path": "a.png"}).images == ()


def test_a_result_has_at_most_20_images() -> None:
    output = output_of([saved(color=color) for color in range(25)])
    assert len(output.images) == result_images.MAX_IMAGES == 20
    assert output.text.count("because 20 images are the limit]") == 5


def test_the_images_of_a_result_are_limited_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_images, "MAX_BYTES", 2 * len(PNG) + 20)
    output = output_of([saved(color=color) for color in range(3)])
    assert len(output.images) == 2
    assert "MB of images are the limit]" in output.text


def test_a_long_text_is_cut_and_its_images_are_kept() -> None:
    output = output_of(["x" * 500, PNG], 100)
    assert len(output.text) < 200
    assert output_of([PNG, "x" * 500], 100).images == (PNG,)
