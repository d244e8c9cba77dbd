"""What is listed for a turn is what the endpoint received: all that is in the bytes is listed, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mm_magics import Session
from mm_magics.history.notebook_context import CellRun, format_cells
from mm_magics.history.turn import Turn
from mm_magics.prompt.attachments import attach
from mm_magics.prompt.template import Template
from mm_magics.prompt.values import as_text
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from mm_magics.turn.sent import Sent, filled_expressions, sent_in
from tests.prompt.test_image_file import saved

KINDS = ["cell", "output", "file", "image", "text", "frame", "tool", "system"]


@dataclass
class Asked:
    """A prompt with a mixture of parts, and the marks in them by what lists them: a kind and a name."""

    kinds: list[str]
    limit: int
    marks: dict[str, tuple[str, str]] = field(default_factory=dict)


def mark(turn: int, number: int, kind: str) -> str:
    return f"mark{turn}of{number}{kind}"


def contents(asked: Asked, turn: int, folder: Path) -> tuple[list[Any], str, dict[str, Any], list[ScriptedAnswer], str]:
    """Return content blocks, the cell's source, its variables, the answers and the system prompt; fill in the marks."""
    cells, blocks, template, names, answers, system = [], [], "Hi.", {}, [], ""
    for number, kind in enumerate(asked.kinds):
        name = mark(turn, number, kind)
        if kind in ("cell", "output"):
            table = f"<table><tr><th>{name}</th></tr><tr><td>1</td></tr></table>"
            outputs: list[Any] = [
                {"output_type": "stream", "text": f"out{name}\n"},
                {"output_type": "display_data", "data": {"text/html": table}},
            ]
            cells.append(CellRun(name, f"code_{name} = 1", outputs if kind == "output" else []))
            asked.marks[f'<cell id=\\"{name}'] = ("cell", name)
            if kind == "output":
                asked.marks |= {f"out{name}": ("output", name), f"| {name} |\\n| --- |": ("column", name)}
        elif kind in ("file", "image"):
            path = folder / f"{name}.{'txt' if kind == 'file' else 'png'}"
            path.write_bytes(f"text of {name}".encode() if kind == "file" else saved("PNG"))
            blocks += attach(path).blocks
            asked.marks[path.name] = (kind, path.name)
        elif kind == "text":
            names[name] = name + "y" * 30
            template += f" And {{{{ {name} }}}}!"
            asked.marks[name] = ("variable", name)
        elif kind == "frame":
            names[name] = pd.DataFrame({f"{name}c{column}": [1] for column in range(23)})
            template += f" Or {{{{ {name} }}}}?"
            asked.marks |= {f"{name}c{column}: ": ("column", f"{name}c{column}") for column in range(23)}
        elif kind == "tool":
            answers.append(ScriptedAnswer([tool_use(f"find_{name}", {"word": "x"})]))
            asked.marks[f"result{name}"] = ("result", f"find_{name}")
        else:
            system = f"system of {name}"
            asked.marks['"system":"'] = ("system", "")
    if cells:
        blocks.insert(0, text(format_cells(cells, asked.limit)))
    return blocks, f"%%minimax\n{template}", names, answers, system


def make_tool(name: str) -> Any:
    def tool(word: str) -> str:
        """Find."""
        return f"{word} result{name}"

    tool.__name__ = f"find_{name}"
    return tool


def is_listed(sent: Sent, kind: str, name: str) -> bool:
    if kind == "column":
        return any(name in each.columns for each in sent.items)
    return any((each.kind, each.name) == (kind, name) for each in sent.items)


PROMPTS = st.lists(
    st.builds(Asked, st.lists(st.sampled_from(KINDS), max_size=5), st.sampled_from([0, 20, 1000])),
    min_size=1,
    max_size=3,
)


@given(prompts=PROMPTS, value_limit=st.sampled_from([0, 25, 400]), context=st.sampled_from(["above", "none", 1]))
def test_everything_in_the_bytes_is_listed_and_nothing_else(
    tmp_path_factory: Any, prompts: list[Asked], value_limit: int, context: Any
) -> None:
    folder = tmp_path_factory.mktemp("files")
    sources: dict[str, str] = {}
    with Simulator() as endpoint, Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0) as session:
        for number, asked in enumerate(prompts):
            blocks, source, names, answers, system = contents(asked, number, folder)
            filled = Template(source.partition("\n")[2]).fill(names, partial(as_text, limit=value_limit))
            endpoint.answers.extend([*answers, "Done."])
            before, cell = len(endpoint.log), f"cell{number}"
            tools = [make_tool(mark(number, at, kind)) for at, kind in enumerate(asked.kinds) if kind == "tool"]
            flags: dict[str, Any] = {"tools": tools, "model": "MiniMax-M3"} | ({"system": system} if system else {})
            prompt = session.prepare(
                [*blocks, text(filled)],
                cell_id=cell,
                source=source.partition("\n")[2],
                context=context,
                **flags,
            )
            turn = session.ask(prompt)
            assert turn.status == "complete", turn.error
            sources[cell] = source
            raw = b"".join(record.raw for record in endpoint.log[before:]).decode()
            known = session.history.with_context(turn.id)
            assert known is not None
            sent = sent_in(Turn.from_record(turn.record()), known[1], sources)
            assert sent.notes == []
            assert sent.requests == len(endpoint.log) - before
            for each in prompts[: number + 1]:
                for text_of_mark, (kind, name) in each.marks.items():
                    assert is_listed(sent, kind, name) == (text_of_mark in raw), (kind, name)


WORDS = st.text(st.sampled_from("ab !\n{"), max_size=4)


@given(data=st.data(), values=st.lists(WORDS, max_size=4))
def test_each_expression_has_at_least_the_text_that_it_was_filled_in_with(data: Any, values: list[str]) -> None:
    names = [f"v{number}" for number in range(len(values))]
    literals = [data.draw(WORDS.filter(lambda each: "{" not in each)) for _ in range(len(values) + 1)]
    template = literals[0] + "".join(
        f"{{{{ {name} }}}}{after}" for name, after in zip(names, literals[1:], strict=True)
    )
    filled = Template(template.rstrip("\n")).fill(dict(zip(names, values, strict=True)))
    found = {each.source: each.text for each in filled_expressions(f"%%minimax\n{template}", filled)}
    for name, value in zip(names, values, strict=True):
        assert value in found.get(name, "")
        assert name not in found or found[name]
        assert found.get(name, "") in filled


def test_a_value_with_the_text_between_expressions_is_not_certain() -> None:
    source = "%%minimax\n{{ a }}, {{ b }}. {{ c }}"
    found = {each.source: (each.text, each.is_certain) for each in filled_expressions(source, "1, 2, 3. 4")}
    assert found == {"a": ("1, 2", False), "b": ("2, 3", False), "c": ("4", True)}
