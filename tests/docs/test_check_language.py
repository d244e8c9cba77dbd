"""`tools/check-language` finds the phrases, in each kind of file, and nothing that is not prose."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "check-language"


@pytest.fixture(scope="module")
def tool():
    loader = SourceFileLoader("check_language", str(TOOL))
    module = module_from_spec(spec_from_loader("check_language", loader))
    sys.modules["check_language"] = module
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    yield module
    del sys.modules["check_language"]


@pytest.mark.parametrize(
    ("path", "source", "line"),
    [
        ("a.py", '"""Shows what came."""\n', 1),
        ("a.py", 'x = 1\n\n\ndef f():\n    """Text.\n\n    There\n    is none here.\n    """\n', 7),
        ("a.py", "x = 1  # the news\n", 1),
        ("a.py", "# this has\n# to change\n", 1),
        ("a.py", 'raise ValueError(f"{x} is no number")\n', 1),
        ("a.py", 'x = ("this is " "said here")\n', 1),
        ("a.py", "def test_what_came_is_shown(): ...\n", 1),
        ("a.py", "def f(kept): ...\n", 1),
        ("a.py", "said = 1\n", 1),
        ("a.py", "self._wanted = 1\n", 1),
        ("a.ts", "let x = 1; // the news\n", 1),
        ("a.ts", "// this has\n// to change\n", 1),
        ("a.ts", "/** One.\n * It is\n * told. */\n", 2),
        ("a.ts", "f('there is none')\n", 1),
        ("a.ts", "f(`${x} is no number`)\n", 1),
        ("a.ts", "s.replace(/['\"`]/g, ''); // the news\n", 1),
        ("a.css", "a { color: red; } /* the news */\n", 1),
        ("a.md", "# Title\n\nMend it.\n", 3),
        ("a.md", "```\ncode\n```\n\nSay it\nanew.\n", 6),
        ("tools/run", "#!/bin/bash\n# mend it\n", 2),
        ("tools/run", "#!/usr/bin/env python3\n# mend it\n", 2),
        ("Makefile", "all: ## mend it\n", 1),
        ("a.yml", "on: push  # mend it\n", 1),
        ("a.ipynb", '{"cells": [{"cell_type": "markdown", "source": ["Mend it."]}]}', 1),
        ("a.ipynb", '{"cells": [{"cell_type": "code", "source": ["# mend it"], "outputs": []}]}', 1),
        ("labextension/schema/a.json", '{\n"title": "Mend it"}', 2),
    ],
)
def test_a_phrase_is_found_with_its_line(tool, path, source, line):
    assert [problem.line for problem in tool.problems_in(path, source)] == [line]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a.py", "recommended = mended_value\n"),
        ("a.py", '"""There is no cell. It is no longer used. x is None."""\n'),
        ("a.py", "x = 1  # the news  language: ok (a newspaper)\n"),
        ("a.py", '# language: ok (a newspaper)\nx = """\nthe news\n"""\n'),
        ("a.py", 'x = f("the news")  # language: ok (a newspaper)\n'),
        ("a.py", "kept = 1  # language: ok (the field of the protocol)\n"),
        ("a.py", "print(x.kept)\n"),
        ("a.ts", "element.inert = true;\n"),
        ("a.ts", "f('the news'); // language: ok (a newspaper)\n"),
        ("a.md", "Type `mend` or:\n\n```\nmend it\n```\n\n[name](mend.md)\n"),
        ("a.md", "<!-- language: ok (quoted) -->\nMend it.\n"),
        ("a.ipynb", '{"cells": [{"cell_type": "code", "source": ["%run news"], "outputs": ["mend"]}]}'),
        ("a.png", "the news"),
    ],
)
def test_what_is_not_prose_or_is_excepted_is_not_reported(tool, path, source):
    assert tool.problems_in(path, source) == []


def test_the_names_of_exceptions_end_in_error(tool):
    sources = {
        "one.py": "class MineError(Exception): ...\nclass Missing(MineError): ...\nclass Row: ...\n",
        "two.py": "from one import Missing\nclass Gone(one.Missing): ...\nclass Halt(KeyboardInterrupt): ...\n",
        "three.py": "class Stop(BaseException):  # language: ok (the name is Python's)\n    pass\n",
    }
    assert [(found.path, found.what) for found in tool.misnamed_exceptions(sources)] == [
        ("one.py", "Missing"),
        ("two.py", "Gone"),
        ("two.py", "Halt"),
    ]


def test_every_phrase_is_found_by_its_own_example(tool):
    examples = [
        "always true:",
        "what has come",
        "is told",
        "is to be",
        "has to",
        "have to be",
        "there is none",
        "is no",
        "mends",
        "anew",
        "beforehand",
        "meanwhile",
        "heeds",
        "whoever",
        "at hand",
        "goes on",
        "as it stands",
        "stands above",
        "as the kernel has it",
        "the endpoint's own",
        "news",
        "new tries",
        "run over rows",
        "inert",
        "floor",
        "a yes",
        "nobody to ask",
        "for ever",
        "as it came",
        "in its midst",
        "of yours",
    ]
    assert len(examples) == len(tool.PHRASES)
    for number, example in enumerate(examples):
        assert tool.PATTERN.search(example.strip()).lastgroup == f"p{number}", example


def test_the_command_exits_with_1_for_problems_and_with_0_for_counts(tool, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Mend it.\n")
    (tmp_path / "b.md").write_text("Fix it.\n")
    assert tool.main([str(tmp_path / "docs")]) == 1
    assert capsys.readouterr().out == "docs/a.md:1: 'Mend': fix\n"
    assert tool.main([str(tmp_path / "b.md")]) == 0
    assert tool.main(["--counts"]) == 0
    assert capsys.readouterr().out.split() == ["1", "docs", "1", "in", "all"]
    assert tool.main([]) == 1
    assert tool.main(["--none"]) == 2
