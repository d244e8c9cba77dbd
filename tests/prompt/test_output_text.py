"""The outputs of cells as text and images, for a model that reads the notebook."""

from __future__ import annotations

import base64
from typing import Any

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.display import HTML, Image, Math

from mm_magics.prompt.output_text import output_images, output_text
from tests.prompt.test_images import saved

PNG = saved("PNG")
FORMATTER = DisplayFormatter()
FORMATTER.active_types = FORMATTER.format_types
ENCODED = base64.b64encode(PNG).decode()


def shown(**formats: Any) -> dict[str, Any]:
    data = {name.replace("_", "/", 1).replace("_", "+"): value for name, value in formats.items()}
    return {"output_type": "display_data", "data": data}


def displayed(value: Any) -> dict[str, Any]:
    """Return the output that IPython makes of a value."""
    data, _ = FORMATTER.format(value)
    return {"output_type": "execute_result", "data": data}


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (shown(text_plain="plain", text_html="<table><tr><th>a<tr><td>1</table>"), "| a |\n| --- |\n| 1 |"),
        (shown(text_plain="<HTML object>", text_html="<b>bold</b>"), "bold"),
        (shown(text_plain="<Plotly>", text_html="<script>draw()</script>"), "<Plotly>"),
        (shown(text_plain="<Plotly>", text_html=["<scr", "ipt>draw()</script>"]), "<Plotly>"),
        (shown(text_plain="x**2", text_latex="$x^2$"), "$x^2$"),
        (shown(text_plain="<CSV>", text_csv="a,b\n1,2\n"), "a,b\n1,2"),
        (shown(text_markdown="**m**", text_html="<b>m</b>", text_plain="m"), "**m**"),
        (shown(application_json={"a": [1, "é"]}, text_plain="<JSON object>"), '{"a": [1, "é"]}'),
        (shown(image_png=ENCODED, text_plain="<Figure size 640x480 with 1 Axes>"), "[image, 3×2]"),
        (shown(image_png=[ENCODED[:8], ENCODED[8:]]), "[image, 3×2]"),
        (shown(image_png=ENCODED, text_html="<p>A caption</p>"), "[image, 3×2]\nA caption"),
        ({"output_type": "display_data", "data": {"image/svg+xml": "<svg/>", "text/plain": "<SVG object>"}}, "[image]"),
        (shown(image_png="not base64!", text_plain="plain"), "plain"),
        (shown(text_plain="10%\r100%"), "100%"),
        (shown(text_html="<b>" + "x" * 2_000_000, text_plain="plain"), "plain"),
        (shown(application_javascript="alert(1)"), ""),
        ({"output_type": "stream", "text": ["10%\r", "100%\n"]}, "100%"),
        ({"output_type": "error", "traceback": ["\x1b[31mline\x1b[0m 1", "line 2"]}, "line 1\nline 2"),
        ({}, ""),
    ],
)  # fmt: skip
def test_an_output_is_written_as_a_reader_sees_it(output: dict[str, Any], text: str) -> None:
    assert output_text(output) == text


def test_values_of_libraries_are_written_as_a_reader_sees_them() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    table = "|  | a |\n| --- | --- |\n| x | 1 |\n| y | 2 |"
    assert output_text(displayed(frame)) == table
    assert output_text(displayed(frame.style)) == table
    assert output_text(displayed(Math("x^2"))) == "$\\displaystyle x^2$"
    assert output_text(displayed(HTML("<b>bold</b>"))) == "bold"
    picture = displayed(Image(PNG))
    picture["data"]["image/png"] = ENCODED  # as the notebook format has it
    assert output_text(picture) == "[image, 3×2]"


def test_only_images_that_models_take_are_sent() -> None:
    assert output_images(shown(image_png=ENCODED)) == [PNG]
    assert output_images(shown(image_png=base64.b64encode(PNG[:30]).decode())) == []
    assert output_images(shown(text_plain="x")) == []
    assert output_images({"output_type": "stream", "text": "x"}) == []
