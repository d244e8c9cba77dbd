"""The texts of the front end can be translated: gettext's tools find every one of them."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.extract import extract_from_file

SOURCE = Path(__file__).parents[2] / "labextension" / "src"


def extracted(path: Path) -> list[str]:
    return [text for _, text, *_ in extract_from_file("javascript", path, keywords={"__": None})]


def test_every_text_of_the_renderer_is_extracted() -> None:
    path = SOURCE / "renderer" / "strings.ts"
    table = re.search(r"const texts = .*?^}\);", path.read_text(), re.MULTILINE | re.DOTALL)
    assert table
    rows = [line for line in table[0].splitlines()[1:-1] if ":" in line]
    assert len(extracted(path)) == len(rows) > 40


def test_every_translated_text_is_a_literal_that_is_extracted() -> None:
    paths = [path for path in SOURCE.rglob("*.ts") if "trans.__(" in path.read_text()]
    assert paths
    for path in paths:
        assert len(extracted(path)) == path.read_text().count("trans.__("), path.name
