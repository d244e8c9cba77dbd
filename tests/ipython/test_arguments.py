"""The flags of `%%minimax`: each is parsed, refused in one line, helped with and completed from one declaration."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.api.models import CATALOGUE
from mm_magics.config import MiniMax
from mm_magics.errors import ArgumentError
from mm_magics.ipython import arguments

NAMES = [name for flag in arguments.FLAGS for name in flag.names]


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("", {}),
        ("   ", {}),
        ("-m MiniMax-M2", {"model": "MiniMax-M2"}),
        ("--model=MiniMax-M2", {"model": "MiniMax-M2"}),
        ("-m 'a name'", {"model": "a name"}),
        ('-s "Be brief."', {"system": "Be brief."}),
        ("--system '{{ x }} 100% \\d'", {"system": "{{ x }} 100% \\d"}),
        ("-s ''", {"system": ""}),
        ("-t 0.5", {"temperature": 0.5}),
        ("-t0.5", {"temperature": 0.5}),
        ("--temperature 1", {"temperature": 1.0}),
        ("--top-p .9", {"top_p": 0.9}),
        ("--max-tokens 1_000", {"max_tokens": 1000}),
        ("--thinking on", {"thinking": "on"}),
        ("--thinking off", {"thinking": "off"}),
        ("--thinking 2000", {"thinking": 2000}),
        ("-o answer", {"out": "answer"}),
        ("--out größe", {"out": "größe"}),
        ("--as json", {"as": "json"}),
        ("--thread side", {"thread": "side"}),
        ("--context above", {"context": "above"}),
        ("--context all", {"context": "all"}),
        ("--context none", {"context": "none"}),
        ("--context 0", {"context": 0}),
        ("--context 3", {"context": 3}),
        ("--sees above", {"sees": "above"}),
        ("--sees 2", {"sees": 2}),
        ("--replay auto", {"replay": "auto"}),
        ("--param top_k=5", {"params": {"top_k": 5}}),
        (
            """--param 'a={"b": [1]}' --param c=text --param d=true""",
            {"params": {"a": {"b": [1]}, "c": "text", "d": True}},
        ),
        ("--param a=1 --param a=2", {"params": {"a": 2}}),
        ("--param a=", {"params": {"a": ""}}),
        ("--param a=b=c", {"params": {"a": "b=c"}}),
        ("--user-id u-1", {"user_id": "u-1"}),
        ("--timeout 2.5", {"timeout": 2.5}),
        ("--raw", {"raw": True}),
        ("--dry-run", {"dry_run": True}),
        ("--map df --into said --figures", {"map": "df", "into": "said", "figures": True}),
        ("--map df --budget $2.50 --engine client", {"map": "df", "budget": 2.5, "engine": "client"}),
        ("--quiet", {"quiet": True}),
        ("--help", {"help": True}),
        ("-h", {"help": True}),
        ("-m a -m b", {"model": "b"}),
        ("--quiet -t 1 -m M", {"model": "M", "temperature": 1.0, "quiet": True}),
    ],
)
def test_a_line_gives_its_flags_by_setting_or_name(line: str, given: dict[str, Any]) -> None:
    assert arguments.parse(line) == given


def test_every_flag_is_parsed_by_each_of_its_names() -> None:
    samples = {"--as": "text", "--param": "a=1", "--replay": "off"}
    for flag in arguments.FLAGS:
        value = samples.get(flag.names[-1], "1") if flag.metavar else ""
        value = "x" if flag.type is arguments._name else value
        for name in flag.names:
            assert list(arguments.parse(f"{name} {value}")) == ["params" if flag.repeat else flag.dest], name


def test_every_setting_that_a_flag_overrides_is_one() -> None:
    settings = MiniMax.class_trait_names(config=True)
    assert [flag.setting for flag in arguments.FLAGS if flag.setting and flag.setting not in settings] == []


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("--modle x", "There is no flag --modle.", "Did you mean --model?"),
        ("--temprature=1", "There is no flag --temprature.", "Did you mean --temperature?"),
        ("--max-token 5", "There is no flag --max-token.", "Did you mean --max-tokens?"),
        ("--max 5", "There is no flag --max.", ""),
        ("--zzz", "There is no flag --zzz.", "%%minimax --help"),
        ("-x", "There is no flag -x.", "%%minimax --help"),
        ("What is up?", "'What' is no flag.", "below the %%minimax line"),
        ("-m M2 Tell me", "'Tell' is no flag.", "below the %%minimax line"),
        ("-m", "-m/--model: expected one argument.", ""),
        ("-t hot", "-t/--temperature: 'hot' is not a number.", ""),
        ("--max-tokens 1.5", "--max-tokens: '1.5' is not a whole number.", ""),
        ("--max-tokens many", "--max-tokens: 'many' is not a whole number.", ""),
        ("--thinking maybe", "--thinking: 'maybe' is not a whole number.", ""),
        ("--context below", "--context: 'below' is not a whole number.", ""),
        ("--context -1", "--context: '-1' is not a whole number from 0 upwards.", ""),
        ("--sees -2", "--sees: '-2' is not a whole number from 0 upwards.", ""),
        ("--timeout 0", "--timeout: 0 is not a number of seconds above 0.", ""),
        ("--timeout nan", "--timeout: nan is not a number of seconds above 0.", ""),
        ("--timeout inf", "--timeout: inf is not a number of seconds above 0.", ""),
        ("--as html", "--as: invalid choice: 'html'", ""),
        ("--replay sometimes", "--replay: invalid choice: 'sometimes'", ""),
        ("-o 2x", "-o/--out: '2x' is not a Python name.", ""),
        ("--out a.b", "-o/--out: 'a.b' is not a Python name.", ""),
        ("--out class", "-o/--out: 'class' is not a Python name.", ""),
        ("--param top_k", "--param: 'top_k' is not NAME=JSON.", ""),
        ("--param =5", "--param: '=5' is not NAME=JSON.", ""),
        ("--param model=x", "--param: model is not set in this way.", ""),
        ("--param messages=[]", "--param: messages is not set in this way.", ""),
        ("--quiet=yes", "--quiet: ignored explicit argument 'yes'.", ""),
        ("-s 'never closed", "A quote is not closed.", "Close it"),
        ('-s "', "A quote is not closed.", "Close it"),
        ("-m \\", "A quote is not closed.", "Close it"),
    ],
)
def test_a_line_that_cannot_be_is_refused_in_one_line_that_says_what_to_do(line: str, said: str, hint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        arguments.parse(line)
    assert caught.value.message.startswith(said)
    assert hint in caught.value.hint
    assert caught.value.hint
    assert len(str(caught.value).splitlines()) == 2


WORDS = st.one_of(
    st.sampled_from(
        [*NAMES, "--", "-", "=", "--=", "--model=", "--param", "a={", "'", '"', "\\", "-1", "%", "{{ x }}"]
    ),
    st.text(max_size=6),
)


@pytest.mark.fuzz
@given(st.one_of(st.lists(WORDS, max_size=6).map(" ".join), st.text(max_size=20)))
@example("--param a=" + "[" * 3_000)
@example("--max-tokens " + "9" * 5_000)
@example("--temperature 1e999")
@example("--")
@example("-- x")
@example("-")
@example("-\0\x0b-")
def test_whatever_is_typed_gives_flags_or_one_of_our_errors(line: str) -> None:
    try:
        given: dict[str, Any] = arguments.parse(line)
        said = ["parsed"]
    except ArgumentError as error:
        given, said = {}, str(error).splitlines()
    assert set(given) <= {flag.dest for flag in arguments.FLAGS} | {"params"}
    assert said[0].strip()
    assert len(said) <= 2


def test_parsing_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    arguments.parse("--help -m x")
    with pytest.raises(ArgumentError):
        arguments.parse("--version")
    assert capsys.readouterr() == ("", "")


# Help -----------------------------------------------------------------------------------------------------------


def test_help_lists_every_flag_with_what_it_takes_and_does() -> None:
    lines = arguments.help_text().splitlines()
    for flag in arguments.FLAGS:
        (line,) = [each for each in lines if each.startswith(", ".join(flag.names) + " ")]
        assert flag.help in line
        assert flag.metavar in line
    assert max(map(len, lines)) < 140


def test_help_lists_every_command() -> None:
    text = arguments.commands_text()
    for command in arguments.COMMANDS:
        assert f"%minimax {command.name}" in text
        assert command.help in text


# Completion -----------------------------------------------------------------------------------------------------

SETTINGS = ["max_tokens", "model", "temperature"]


@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ("%%minimax --mo", ["--model"]),
        ("%%minimax --th", ["--thinking", "--thread"]),
        ("%%minimax --tool", ["--tools", "--tool-choice"]),
        ("%%minimax -m M --qui", ["--quiet"]),
        ("%%minimax -m MiniMax-M2.7", ["MiniMax-M2.7", "MiniMax-M2.7-highspeed"]),
        ("%%minimax --model ", list(CATALOGUE)),
        ("%%minimax --as ", ["markdown", "code", "text", "json"]),
        ("%%minimax --thinking o", ["on", "off"]),
        ("%%minimax --context a", ["above", "all"]),
        ("%%minimax --replay ", ["off", "auto", "only"]),
        ("%%minimax --system ", []),
        ("%%minimax --quiet --ra", ["--raw"]),
        ("%%minimax zzz", []),
        ("%minimax mod", ["model", "models"]),
        ("%minimax set te", ["temperature"]),
        ("%minimax set ", SETTINGS),
        ("%minimax model MiniMax-M2.1", ["MiniMax-M2.1", "MiniMax-M2.1-highspeed"]),
        ("%minimax help ", []),
        ("%%mini", []),
        ("%minimax", []),
        ("", []),
        (" ", []),
        ("print(", []),
        ("x = 1 ", []),
    ],
)
def test_what_may_come_next_is_offered(before: str, offered: list[str]) -> None:
    assert arguments.completions(before, list(CATALOGUE), SETTINGS) == offered


def test_every_flag_and_every_command_is_offered() -> None:
    assert arguments.completions("%%minimax ", [], []) == NAMES
    assert arguments.completions("%minimax ", [], []) == [command.name for command in arguments.COMMANDS]


@pytest.mark.fuzz
@given(st.text(max_size=20), st.sampled_from(["", "%%minimax ", "%minimax ", "%minimax set "]))
def test_completion_never_fails(text: str, start: str) -> None:
    for name in arguments.completions(start + text, list(CATALOGUE), SETTINGS):
        assert isinstance(name, str)
