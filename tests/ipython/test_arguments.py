"""Parsing and help of the flags of `%%minimax`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.config import MiniMax
from mm_magics.display.table import UNLIMITED
from mm_magics.errors import ArgumentError
from mm_magics.ipython import arguments, flags
from mm_magics.ipython.flags import FLAGS

FLAG_NAMES = [name for flag in FLAGS for name in flag.names]


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
        ("--map df --into answer --figures", {"map": "df", "into": "answer", "figures": True}),
        ("--map df --budget $2.50 --engine client", {"map": "df", "budget": 2.5, "engine": "client"}),
        (
            "--map df --pack 5 --trial 30 --label a=b --require .85",
            {"map": "df", "pack": 5, "trial": 30, "label": "a=b", "require": 0.85},
        ),
        ("--quiet", {"quiet": True}),
        ("--help", {"help": True}),
        ("-h", {"help": True}),
        ("-m a -m b", {"model": "b"}),
        ("--quiet -t 1 -m M", {"model": "M", "temperature": 1.0, "quiet": True}),
    ],
)
def test_a_line_is_parsed_into_its_flags(line: str, given: dict[str, Any]) -> None:
    assert arguments.parse(line) == given


def test_every_name_of_a_flag_is_parsed() -> None:
    samples = {"--as": "text", "--param": "a=1", "--replay": "off", "--compact": "now", "--edits": "ask"}
    samples["--require"] = "0.85"
    for flag in FLAGS:
        value = samples.get(flag.names[-1], "1") if flag.metavar else ""
        value = "x" if flag.type is flags._variable else value
        for name in flag.names:
            assert list(arguments.parse(f"{name} {value}")) == ["params" if flag.dest == "param" else flag.dest], name


def test_every_setting_that_a_flag_overrides_exists() -> None:
    settings = MiniMax.class_trait_names(config=True)
    assert [flag.setting for flag in FLAGS if flag.setting and flag.setting not in settings] == []


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("--modle x", "Unknown flag --modle.", "Did you mean --model?"),
        ("--temprature=1", "Unknown flag --temprature.", "Did you mean --temperature?"),
        ("--max-token 5", "Unknown flag --max-token.", "Did you mean --max-tokens?"),
        ("--max 5", "Unknown flag --max.", ""),
        ("--zzz", "Unknown flag --zzz.", "%%minimax --help"),
        ("-x", "Unknown flag -x.", "%%minimax --help"),
        ("What is up?", "'What' is not a flag.", "below the %%minimax line"),
        ("-m M2 Tell me", "'Tell' is not a flag.", "below the %%minimax line"),
        ("-m", "-m/--model: expected one argument.", ""),
        ("-t hot", "-t/--temperature: 'hot' is not a number.", ""),
        ("--max-tokens 1.5", "--max-tokens: '1.5' is not a whole number.", ""),
        ("--max-tokens many", "--max-tokens: 'many' is not a whole number.", ""),
        (
            "--thinking maybe",
            "--thinking: 'maybe' is not on, off, adaptive, low, medium, high, xhigh, max or a whole number.",
            "",
        ),
        ("--context below", "--context: 'below' is not above, all, none or a whole number.", ""),
        ("--context -1", "--context: '-1' is negative.", ""),
        ("--sees -2", "--sees: '-2' is negative.", ""),
        ("--timeout 0", "--timeout: 0 is not a positive number of seconds.", ""),
        ("--timeout nan", "--timeout: nan is not a positive number of seconds.", ""),
        ("--timeout inf", "--timeout: inf is not a positive number of seconds.", ""),
        ("--as html", "--as: invalid choice: 'html'", ""),
        ("--replay sometimes", "--replay: invalid choice: 'sometimes'", ""),
        ("-o 2x", "-o/--out: '2x' is not a valid Python name.", ""),
        ("--out a.b", "-o/--out: 'a.b' is not a valid Python name.", ""),
        ("--out class", "-o/--out: 'class' is not a valid Python name.", ""),
        ("--param top_k", "--param: 'top_k' is not NAME=JSON.", ""),
        ("--param =5", "--param: '=5' is not NAME=JSON.", ""),
        ("--param model=x", "--param: model cannot be set with --param; use --model.", ""),
        ("--param messages=[]", "--param: messages cannot be set with --param.", ""),
        ("--param tools=[]", "--param: tools cannot be set with --param; use --tools.", ""),
        ("--param tool_choice=any", "--param: tool_choice cannot be set with --param; use --tool-choice.", ""),
        ("--quiet=yes", "--quiet: ignored explicit argument 'yes'.", ""),
        ("-s 'never closed", "A quote is not closed.", "Close it"),
        ('-s "', "A quote is not closed.", "Close it"),
        ("-m \\", "A quote is not closed.", "Close it"),
    ],
)
def test_an_invalid_line_is_rejected_with_a_hint(line: str, message: str, hint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        arguments.parse(line)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint
    assert caught.value.hint
    assert len(str(caught.value).splitlines()) == 2


WORDS = st.one_of(
    st.sampled_from(
        [*FLAG_NAMES, "--", "-", "=", "--=", "--model=", "--param", "a={", "'", '"', "\\", "-1", "%", "{{ x }}"]
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
def test_any_text_is_parsed_or_raises_an_argument_error(line: str) -> None:
    try:
        given: dict[str, Any] = arguments.parse(line)
        lines = ["parsed"]
    except ArgumentError as error:
        given, lines = {}, str(error).splitlines()
    assert set(given) <= {flag.dest for flag in FLAGS} | {"params"}
    assert lines[0].strip()
    assert len(lines) <= 2


def test_parsing_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    arguments.parse("--help -m x")
    with pytest.raises(ArgumentError):
        arguments.parse("--version")
    assert capsys.readouterr() == ("", "")


# Help -----------------------------------------------------------------------------------------------------------


def test_help_lists_every_flag_with_its_value_and_description() -> None:
    lines = arguments.help_table().as_text(UNLIMITED).splitlines()
    for flag in FLAGS:
        (line,) = [each for each in lines if each.startswith(", ".join(flag.names) + " ")]
        assert flag.help in line
        assert flag.metavar in line
    assert max(map(len, lines)) < 140
