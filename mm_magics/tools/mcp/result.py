"""Convert the result of an MCP tool to the text and the images that the model reads."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from mm_magics.prompt.image_file import media_type
from mm_magics.prompt.terminal_text import terminal_text
from mm_magics.tools.runtime.result_images import ResultImages
from mm_magics.tools.tool import ToolOutput

if TYPE_CHECKING:
    import mcp_types

_TEXT_TYPE = re.compile(r"text/|application/(.*\+)?(json|xml|yaml|toml|javascript)\b")
"""Types of text, which servers also send as data."""


def output_of_result(result: mcp_types.CallToolResult) -> ToolOutput:
    """Return a result: texts, images, and a line for content of another kind. Structure alone is JSON.

    The type of an image is what its bytes are, whatever the server calls it.
    """
    if not result.content and result.structured_content is not None:
        return ToolOutput(json.dumps(result.structured_content, ensure_ascii=False), result.is_error)
    images = ResultImages()
    texts = [_block_text(block, images) for block in result.content]
    return ToolOutput("\n".join(filter(None, texts)) or "(nothing)", result.is_error, images.files)


def _block_text(block: mcp_types.ContentBlock, images: ResultImages) -> str:
    if block.type == "text":
        return terminal_text(block.text)
    if block.type == "resource_link":
        return f"[link to {block.uri}: {block.title or block.name}]"
    if block.type == "resource":
        return _resource_text(block.resource, images)
    return _data_text(block.type, block.mime_type, block.data, images)


def _resource_text(
    resource: mcp_types.TextResourceContents | mcp_types.BlobResourceContents, images: ResultImages
) -> str:
    kind = resource.mime_type or "unknown type"
    encoded = getattr(resource, "blob", "")
    text = getattr(resource, "text", None)
    if text is None and _TEXT_TYPE.match(kind):
        text = _decoded_text(encoded)
    if text is None:
        label = _data_text(f"resource {resource.uri}", kind, encoded, images)
        return f"[resource {resource.uri}] {label}" if label.startswith("[image") else label
    head = f"[resource {resource.uri}, {kind}, {len(text):,} characters]"
    return f"{head}\n{text}" if text else head


def _decoded_text(encoded: str) -> str | None:
    """Return the text in base64, None if it is not UTF-8."""
    try:
        return base64.b64decode("".join(encoded.split()), validate=True).decode()
    except ValueError:
        return None


def _data_text(name: str, kind: str, encoded: str, images: ResultImages) -> str:
    """Return the line for data: the label of an image, or what it is and why the model does not get it."""
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        return f"[{name}, {kind}: not sent to the model, because it is not base64]"
    if media_type(data) or name == "image":
        return images.add(data, f"{name}, {kind}")
    return f"[{name}, {kind}, {len(data):,} bytes: not sent to the model]"
