"""An answer that has to fit a shape: by a tool that the model is made to call, or in its text where it does not.

Always true: what fits is taken from the model's own words; what does not goes back with what is wrong, RETRIES times.
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
    """The answer in the making: whether one `fits`, and whether another try is due."""

    def __init__(self, shape: OutputSchema) -> None:
        self.fits = False
        self._shape = shape
        self._tries = 0

    @property
    def definition(self) -> dict[str, Any]:
        """The tool, as a request offers it."""
        said = "Give the final answer. Call it once, when all else is done."
        return {"name": ANSWER, "description": said, "input_schema": dict(self._shape.schema)}

    @property
    def needs_retry(self) -> bool:
        return not self.fits and self._tries <= RETRIES

    def take_call(self, call: ToolCall) -> ToolOutput:
        """What the call is answered with."""
        try:
            self._shape.parse_input(call.input)
        except ToolInputError as error:
            return ToolOutput(self._tell(error), is_error=True)
        self.fits = True
        return ToolOutput("Taken as the answer.")

    def take_text(self, text: str) -> str:
        """What the text is answered with, if it does not fit."""
        try:
            self._shape.parse_text(text)
        except ToolInputError as error:
            return f"{self._tell(error)}\n\n{self._shape.instruction}"
        self.fits = True
        return ""

    def _tell(self, error: ToolInputError) -> str:
        self._tries += 1
        return f"The answer does not fit:\n{error}"


def value_of(turn: Sequence[Message], shape: OutputSchema) -> Any:
    """The value that the last answer of a turn's messages is. Raises `ProtocolError` if it does not fit the shape."""
    last = next((messages.blocks(each) for each in reversed(turn) if each["role"] == "assistant"), [])
    given = [block["input"] for block in last if block.get("name") == ANSWER and isinstance(block.get("input"), dict)]
    try:
        if given:
            return shape.parse_input(given[0])
        return shape.parse_text(messages.text_of([{"role": "assistant", "content": last}]))
    except ToolInputError as error:
        wrong = str(error).replace("\n", " ")
        raise ProtocolError(
            f"The answer does not fit the schema: {wrong}", "It is kept as it came; ask again."
        ) from None
