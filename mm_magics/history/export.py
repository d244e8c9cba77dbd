"""A thread as a file: the Messages API's array, a Python script, or turns that can be loaded again."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mm_magics.api import messages
from mm_magics.errors import RecordError, UsageError
from mm_magics.history.context_messages import context_tools
from mm_magics.history.notebook import MAX_BYTES, MAX_VALUES
from mm_magics.history.turn import SCHEMA, Turn
from mm_magics.json_size import JSONSizeError, read_json
from mm_magics.system import replace_file
from mm_magics.text import decode_json

LOAD_HINT = "Load a file that %minimax save wrote."

SCRIPT = '''"""The conversation so far, and the next question, with the anthropic SDK."""

import json
import os

import anthropic

client = anthropic.Anthropic(
    base_url={base_url!r},
    api_key=os.environ["MINIMAX_API_KEY"],
    default_headers={{"anthropic-version": "2023-06-01"}},
)
messages = json.loads({messages!r})
messages.append({{"role": "user", "content": "…"}})
with client.messages.stream(model={model!r}, messages=messages, {fields}max_tokens={max_tokens!r}) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
'''


def to_messages_json(turns: Sequence[Turn]) -> str:
    """Return the `messages` array that is sent for these turns, as JSON."""
    return json.dumps(messages.join_turns([turn.sent for turn in turns]), ensure_ascii=False, indent=1) + "\n"


def to_script(turns: Sequence[Turn], base_url: str) -> str:
    """Return a Python script that contains the conversation and continues it."""
    last = turns[-1]
    system = f"system={last.system!r}, " if last.system else ""
    tools = context_tools(turns)  # endpoints refuse calls in the history without definitions
    fields = f'{system}tools=json.loads({json.dumps(tools)!r}), tool_choice={{"type": "none"}}, ' if tools else system
    return SCRIPT.format(
        base_url=base_url,
        messages=json.dumps(messages.join_turns([turn.sent for turn in turns])),
        model=last.model,
        fields=fields,
        max_tokens=last.params.get("max_tokens", 8192),
    )


def to_json(turns: Sequence[Turn]) -> str:
    """Return the turns as JSON that `load_turns` reads."""
    records = [turn.record() for turn in turns]
    return json.dumps({"schema": SCHEMA, "turns": records}, ensure_ascii=False, indent=1) + "\n"


def load_turns(path: Path) -> list[Turn]:
    """Read the turns of a file that contains what `to_json` returned.

    Raises:
        UsageError: The file cannot be read.
        RecordError: The file does not contain turns, or one of them is damaged.
    """
    try:
        content = read_json(decode_json(path.read_bytes()), MAX_VALUES, MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except JSONSizeError as error:
        raise RecordError(f"{path} cannot be read: it has {error}.", LOAD_HINT) from None
    except ValueError:
        raise RecordError(f"{path} is not JSON.", LOAD_HINT) from None
    if not isinstance(content, dict) or not isinstance(content.get("turns"), list):
        raise RecordError(f"{path} contains no turns.", LOAD_HINT)
    return [Turn.from_record(record) for record in content["turns"]]


def write_file(path: Path, text: str) -> None:
    """Write the file in one step: it is complete or unchanged, even if the disk is full.

    Raises:
        UsageError: The file cannot be written.
    """
    temporary = path.with_name(f".mm-magics-{secrets.token_hex(8)}")
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
        created = 0o666 if mode is None else 0o600  # a new file follows the umask
        with open(temporary, "x", encoding="utf-8", opener=partial(os.open, mode=created)) as file:
            if mode is not None:
                os.chmod(temporary, mode)
            file.write(text)
        replace_file(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
