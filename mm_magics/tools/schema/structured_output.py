"""Get an answer that matches a schema: from the tool that the model is made to call, or from its text.

An answer that does not match is sent back with its problems, at most `RETRIES` times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mm_magics.api import messages
from mm_magics.api.messages import ANSWER, Message
from mm_magics.errors import ProtocolError, ToolInputError
from mm_magics.tools.schema.output_schema import OutputSchema
from mm_magics.tools.tool import ToolCall, ToolOutput

RETRIES = 2


class StructuredOutput:
    """Checks the answers of one turn against a schema and counts the corrections."""

    def __init__(self, schema: OutputSchema) -> None:
        self._schema = schema
        self._is_valid = False
        self._corrections = 0

    @property
    def definition(self) -> dict[str, Any]:
        """The tool that takes the answer, as an item of the request's `tools`."""
        description = "Give the final answer. Call this tool once, when everything else is done."
        return {"name": ANSWER, "description": description, "input_schema": dict(self._schema.schema)}

    @property
    def needs_retry(self) -> bool:
        return not self._is_valid and self._corrections <= RETRIES

    def take_call(self, call: ToolCall) -> ToolOutput:
        """Check a call of the tool and return its result."""
        try:
            self._schema.parse_input(call.input)
        except ToolInputError as error:
            return ToolOutput(self._correction(error), is_error=True)
        self._is_valid = True
        return ToolOutput("The answer is accepted.")

    def take_text(self, text: str) -> str:
        """Check an answer in words. Return what to reply to the model, "" if the answer matches the schema."""
        try:
            self._schema.parse_text(text)
        except ToolInputError as error:
            return f"{self._correction(error)}\n\n{self._schema.instruction}"
        self._is_valid = True
        return ""

    def _correction(self, error: ToolInputError) -> str:
        self._corrections += 1
        return f"The answer does not match the schema:\n{error}"


def value_of(turn: Sequence[Message], schema: OutputSchema) -> Any:
    """Return the last answer of a turn's messages as a value that matches the schema.

    Raises:
        ProtocolError: If it does not match.
    """
    last = next((messages.blocks(each) for each in reversed(turn) if each["role"] == "assistant"), [])
    inputs = [block["input"] for block in last if block.get("name") == ANSWER and isinstance(block.get("input"), dict)]
    try:
        if inputs:
            return schema.parse_input(inputs[0])
        return schema.parse_text(messages.text_of([{"role": "assistant", "content": last}]))
    except ToolInputError as error:
        problems = str(error).replace("\n", " ")
        raise ProtocolError(
            f"The answer does not match the schema: {problems}", "The answer is kept unchanged; run the prompt again."
        ) from None
