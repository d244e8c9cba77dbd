"""Templates: `{{ expr }}` is filled in, and all other text is unchanged."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mm_magics.errors import PromptError
from mm_magics.prompt.template import Template, _parts, expression_at, render
from mm_magics.prompt.values import VALUE_LIMIT

NAMES: dict[str, Any] = {"x": 7, "name": "Ada", "d": {"a": {"b": 1}}, "braces": "{{ x }} }} {{"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ x }}", "7"),
        ("{{x}}", "7"),
        ("a{{ x }}b{{ name }}c", "a7bAdac"),
        ("{{\n  (x +\n   1)\n}}", "8"),
        ("{{ d }}", "{'a': {'b': 1}}"),
        ('{{ {"a": {"b": x}} }}', "{'a': {'b': 7}}"),
        ('{{ {"a": {"b": x}}}}', "{'a': {'b': 7}}"),
        ("{{{}}}", "{}"),
        ("{{ {} }}", "{}"),
        ("{{ {x} }}", "{7}"),
        ("{{ {n: n for n in range(2)} }}!", "{0: 0, 1: 1}!"),
        ("{{ '}}' }}", "}}"),
        ('{{ "{{" }}', "{{"),
        ("{{ f'{x}' }}", "7"),
        ("{{ x }} }}", "7 }}"),
        ("{{{ x }}}", "{7}"),
        ("{{ [y for y in range(3)][x - 5] }}", "2"),
        ("{{ (lambda z: z + x)(1) }}", "8"),
        ("{{ None }}", "None"),
        ("{{ '' }}", ""),
        ("{{ x # a comment\n}}", "7"),
    ],
)
def test_an_expression_is_replaced_by_its_value(text: str, expected: str) -> None:
    assert render(text, NAMES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        '{"json": {"deep": [1, {"a": {}}]}}',
        '{ {"a": 1} }',
        r"$\frac{a}{b}$ and $$\sum_{i=1}^{n} x_{i}$$ \{x\} \[ \]",
        "100% of %(name)s, %s, %d, {0}, {name}, {x!r:>10}, ${x}, $x, $$x",
        "}} {{",
        "{{ never closed",
        "{ { x } }",
        "f'{x}' \\{ \\n \r\n \t \x00",
        "{% if x %}",
        "牡蠣 🦪 \ud83d",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    assert render(text, NAMES) == text


@pytest.mark.fuzz
@given(st.text(st.sampled_from("{}$%\\ax \n'\"é🦪"), max_size=30))
def test_text_without_double_braces_is_never_changed(text: str) -> None:
    assume("{{" not in text)
    assert render(text, NAMES) == text


@pytest.mark.fuzz
@given(st.text(st.one_of(st.sampled_from("{}\"'x \n"), st.characters()), max_size=20), st.text("ab{} ", max_size=5))
@example("{{ x }}", "")
@example("}}", "{{")
def test_the_text_of_a_value_is_not_filled_in_again(value: str, before: str) -> None:
    assume("{{" not in before and not before.endswith("{"))
    assert render(f"{before}{{{{ value }}}}|{{{{ value }}}}", {"value": value}) == f"{before}{value}|{value}"


def test_an_expression_can_use_names_and_builtins_but_assigns_none() -> None:
    names: dict[str, Any] = {"items": [1, 2]}
    assert render("{{ sum(items) }} {{ (y := 5) }} {{ len(str(items)) }}", names) == "3 5 6"
    assert names == {"items": [1, 2]}


# Expressions that fail ------------------------------------------------------------------------------------------


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("even its text fails")


class Silent:
    def __repr__(self) -> str:
        raise ValueError("no repr")


def fail(error: BaseException) -> None:
    raise error


FAILING = {
    "nowhere": "NameError",
    "x.nowhere": "AttributeError",
    "1 / 0": "ZeroDivisionError",
    "d['nope']": "KeyError",
    "fail(SystemExit(3))": "SystemExit",
    "exit_()": "SystemExit",
    "fail(GeneratorExit())": "GeneratorExit",
    "fail(BaseException('base'))": "BaseException",
    "fail(StopIteration())": "StopIteration",
    "fail(UnprintableError())": "UnprintableError",
    "silent": "ValueError",
    "recurse(1)": "RecursionError",
}


@pytest.mark.parametrize(("expression", "kind"), FAILING.items())
def test_a_failing_expression_stops_the_cell_and_is_quoted(expression: str, kind: str) -> None:
    names: dict[str, Any] = {
        **NAMES,
        "fail": fail,
        "exit_": lambda: fail(SystemExit()),
        "UnprintableError": UnprintableError,
        "silent": Silent(),
    }
    names["recurse"] = lambda n: names["recurse"](n + 1)
    with pytest.raises(PromptError) as caught:
        render(f"before {{{{ {expression} }}}} after", names)
    assert f"{{{{ {expression} }}}} failed with {kind}" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize(
    "source",
    [
        "x +",
        "x = 1",
        "import os",
        "",
        "  ",
        "await x",
        "(yield)",
        "for x in y",
        "1 2",
        "x y",
        "'open",
        "\x00",
        "(" * 300,
        "-" * 100_000 + "1",
    ],
)
def test_an_invalid_expression_stops_the_cell_and_the_hint_explains_braces(source: str) -> None:
    with pytest.raises(PromptError) as caught:
        render(f"{{{{ {source} }}}}", NAMES)
    lines = str(caught.value).splitlines()
    assert "is not a Python expression" in lines[0]
    assert '{{ "{{" }}' in lines[1]
    assert len(lines[0]) < 400


@pytest.mark.parametrize("text", ["{{ x y }}", "a {{x y\n}} {{ x }} }}", "{{ x }}{{ \tx y}}"])
def test_an_invalid_expression_is_quoted_up_to_the_first_closing_braces(text: str) -> None:
    with pytest.raises(PromptError) as caught:
        render(text, NAMES)
    assert str(caught.value) == (
        "{{ x y }} is not a Python expression: invalid syntax.\n"
        'To send two braces unchanged, write {{ "{{" }} or use --raw.'
    )


def test_braces_without_an_expression_are_an_error() -> None:
    with pytest.raises(PromptError, match="is not a Python expression"):
        render("an empty {{}} pair", NAMES)


@pytest.mark.parametrize("source", ["-" * 100_000 + "1", "\x00"])
def test_an_expression_that_cannot_be_compiled_has_a_reason(source: str) -> None:
    with pytest.raises(PromptError, match=r"is not a Python expression: (?!None)\w[^\n]+\.\n"):
        render(f"{{{{ {source} }}}}", NAMES)


@pytest.mark.parametrize("before", ["", "some text "])
def test_the_end_of_an_expression_is_sought_within_10000_characters(before: str) -> None:
    value = "x" * 9_995 + "}}"
    assert render(f"{before}{{{{ '{value}' }}}}", {}) == before + value
    with pytest.raises(PromptError, match="is not a Python expression"):
        render(f"{before}{{{{ 'x{value}' }}}}", {})


def test_the_error_of_an_expression_is_the_cause() -> None:
    error = ValueError("no such")
    with pytest.raises(PromptError) as caught:
        render("{{ fail(error) }}", {"fail": fail, "error": error})
    assert caught.value.__cause__ is error
    assert traceback.extract_tb(error.__traceback__)[1].filename == "<{{ }}>"


def test_values_are_cut_at_the_default_limit_unless_another_is_given() -> None:
    names = {"v": "x" * (VALUE_LIMIT + 2)}
    cut = "x" * VALUE_LIMIT + "\n… [cut here: 2 more characters]"
    assert render("{{ v }}", names) == Template("{{ v }}").fill(names) == cut
    assert render("{{ v }}", names, limit=0) == names["v"]
    assert Template("{{ v }}!").fill(names, lambda value: str(len(value))) == f"{VALUE_LIMIT + 2}!"


def test_a_long_failing_expression_is_quoted_in_part_on_one_line() -> None:
    with pytest.raises(PromptError) as caught:
        render("{{ nowhere +\n\n" + "1 + " * 500 + "1 }}", NAMES)
    assert len(str(caught.value).splitlines()[0]) < 300


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no\x1b[1m\nsuch"), "ValueError: no [1m such"),
        (ValueError(), "ValueError"),
        (ValueError(": no such: "), "ValueError: no such"),
        (ValueError("X"), "ValueError: X"),
        (ValueError("x" * 108), "ValueError: " + "x" * 108),
        (ValueError("x" * 109), "ValueError: " + "x" * 107 + "…"),
        (UnprintableError(), "UnprintableError"),
    ],
)
def test_the_error_of_an_expression_is_quoted_on_one_line_of_at_most_120_characters(
    error: Exception, reason: str
) -> None:
    with pytest.raises(PromptError) as caught:
        render("{{ fail(error) }}", {"fail": fail, "error": error})
    assert str(caught.value) == f"{{{{ fail(error) }}}} failed with {reason}.\nNothing was sent."


def test_an_interrupt_in_an_expression_is_raised_unchanged() -> None:
    with pytest.raises(KeyboardInterrupt):
        render("{{ fail(KeyboardInterrupt()) }}", {"fail": fail})


def test_many_closing_braces_after_an_invalid_expression_take_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import ast

    tries: list[int] = []
    parse = ast.parse

    def counted(source: str, **more: Any) -> Any:
        tries.append(len(source))
        return parse(source, **more)

    monkeypatch.setattr(ast, "parse", counted)
    with pytest.raises(PromptError):
        render("{{ x x " + "}} " * 100_000, NAMES)
    assert len(tries) < 5_000
    assert max(tries) < 20_000


@given(st.lists(st.sampled_from(["{{", "}}", "{", "}", "x", "'", " ", "\n", "🎉", "x + y", "{{ x }}"]), max_size=12))
def test_the_cursor_is_in_an_expression_where_the_template_has_one(parts: list[str]) -> None:
    text = "".join(parts)
    for cursor in range(len(text) + 1):
        found = expression_at(text, cursor)
        if found:
            start, end = found
            assert text[start - 2 : start] == "{{"
            assert start <= cursor <= end
    try:
        expected = [source for source, code in _parts(text) if code]
    except PromptError:
        return
    spans = dict.fromkeys(found for cursor in range(len(text) + 1) if (found := expression_at(text, cursor)))
    closed = [text[start:end].strip() for start, end in spans if text[end : end + 2] == "}}"]
    assert closed == expected
