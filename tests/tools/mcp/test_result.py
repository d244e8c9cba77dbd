"""What the model reads of the resources in a result: text as text, in whichever field it came."""

from __future__ import annotations

import base64

import mcp_types as types
import pytest

from mm_magics.tools.mcp.result import output_of_result

TEXT = "Grüße, 海 🪸"
URI = "file:///note"


def text_of(resource: types.TextResourceContents | types.BlobResourceContents) -> str:
    return output_of_result(types.CallToolResult(content=[types.EmbeddedResource(resource=resource)])).text


def blob(data: bytes, kind: str | None) -> types.BlobResourceContents:
    return types.BlobResourceContents(uri=URI, blob=base64.b64encode(data).decode(), mime_type=kind)


@pytest.mark.parametrize("kind", ["text/plain", "text/markdown", "application/json", "image/svg+xml", None])
def test_an_embedded_text_reaches_the_model(kind: str | None) -> None:
    resource = types.TextResourceContents(uri=URI, text=TEXT, mime_type=kind)
    assert text_of(resource) == f"[resource {URI}, {kind or 'unknown type'}, 10 characters]\n{TEXT}"


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "text/plain; charset=utf-8", "text/csv", "text/x-python", "application/json"),
        *("application/ld+json", "application/xml", "application/yaml", "application/javascript"),
    ],
)
def test_an_embedded_text_in_base64_reaches_the_model_too(kind: str) -> None:
    assert text_of(blob(TEXT.encode(), kind)) == f"[resource {URI}, {kind}, 10 characters]\n{TEXT}"


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"\xff\xfe\x00", "text/plain"), (TEXT.encode(), "application/zip"), (TEXT.encode(), None)],
    ids=["text that is not UTF-8", "another type", "no type"],
)
def test_other_data_is_named_with_its_size(data: bytes, kind: str | None) -> None:
    expected = f"[resource {URI}, {kind or 'unknown type'}, {len(data)} bytes: not sent to the model]"
    assert text_of(blob(data, kind)) == expected
