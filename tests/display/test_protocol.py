"""`labextension/src/protocol*.ts` and `mm_magics/display/protocol.py` define the same messages, field by field.

Both are read into one neutral form: constants by name, and types as nested tuples. The reader of TypeScript knows only
the small part of the language that these files use, and fails on anything else.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from mm_magics import settings
from mm_magics.display import protocol

FILES = sorted((Path(__file__).parents[2] / "labextension" / "src").glob("protocol*.ts"))
SOURCE = "".join(file.read_text("utf-8") for file in FILES)
TOKEN = re.compile(r"\s+|//[^\n]*|/\*.*?\*/|('[^']*'|\w+|[{}\[\]<>()|:;,?=])", re.DOTALL)

Form = Any
"""A type in the neutral form, such as `("record", (("type", False, ("literal", "stop")),))`."""


class TypeScript:
    """Reads the declarations of the files, whose names and types it gives in the neutral form."""

    def __init__(self, text: str) -> None:
        self.tokens = list(self._split(text))
        self.at = 0
        self.constants: dict[str, str] = {}
        self.types: dict[str, Form] = {}
        while self.at < len(self.tokens):
            self._declaration()
        # At run time Python cannot tell a name for a plain mapping from the mapping, so such names are resolved.
        self.types.pop("ContentBlock")

    @staticmethod
    def _split(text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            found = TOKEN.match(text, at)
            assert found, f"protocol.ts holds something that this test cannot read: {text[at : at + 40]!r}"
            at = found.end()
            if found[1]:
                yield found[1]

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, *expected: str) -> str:
        token = self._peek()
        assert not expected or token in expected, f"{expected} expected in protocol.ts, not {token!r}"
        self.at += 1
        return token

    def _skip(self, token: str) -> bool:
        found = self._peek() == token
        self.at += found
        return found

    def _declaration(self) -> None:
        if self._skip("import"):
            while self._take() != ";":
                pass
            return
        self._take("export")
        kind, name = self._take("const", "interface", "type"), self._take()
        if kind == "interface":
            self.types[name] = self._interface()
            return
        self._take("=")
        if kind == "const":
            self.constants[name] = self._take().strip("'")
        else:
            self.types[name] = self._union()
        self._take(";")

    def _interface(self) -> Form:
        fields = []
        self._take("{")
        while not self._skip("}"):
            self._take("readonly")
            fields.append(self._field())
            self._take(";")
        return "record", tuple(sorted(fields))

    def _field(self) -> Form:
        name, optional = self._take(), self._skip("?")
        self._take(":")
        return name, optional, self._union()

    def _union(self) -> Form:
        self._skip("|")
        parts = [self._single()]
        while self._skip("|"):
            parts.append(self._single())
        return union(parts)

    def _single(self) -> Form:
        if self._skip("readonly"):
            if self._peek() != "[":
                return self._array()
            return self._tuple()
        return self._name()

    def _array(self) -> Form:
        element = self._name()
        self._take("[")
        self._take("]")
        return "array", element

    def _tuple(self) -> Form:
        fields = []
        self._take("[")
        while not self._skip("]"):
            fields.append(self._field())
            self._skip(",")
        return "tuple", tuple(fields)

    def _name(self) -> Form:
        token = self._take()
        if token == "Readonly":
            self._take("<")
            if self._peek() != "Record":
                element = self._name()
            else:
                for each in ("Record", "<", "string", ","):
                    self._take(each)
                element = "map", self._union()
                self._take(">")
            self._take(">")
            return element
        if token.startswith("'"):
            return "literal", token.strip("'")
        assert re.fullmatch(r"[a-z]+|[A-Z]\w+", token), token
        return ("map", "unknown") if token == "ContentBlock" else token


def union(parts: Sequence[Form]) -> Form:
    flat = {inner for part in parts for inner in (part[1] if part[0] == "union" else (part,))}
    return ("union", tuple(sorted(flat, key=repr))) if len(flat) > 1 else flat.pop()


ALIASES = {
    name: value for name, value in vars(protocol).items() if get_origin(value) in (Literal, Union, types.UnionType)
}
PRIMITIVES: dict[Any, str] = {str: "string", bool: "boolean", int: "number", float: "number", Any: "unknown"}
PRIMITIVES[type(None)] = "null"


def form_of(hint: Any, known: Mapping[str, Any]) -> Form:
    """The neutral form of a Python type; one that has a name in the module is given by it."""
    for name, value in known.items():
        if value is hint or (get_origin(hint) is not None and value == hint):
            return name
    if hint in PRIMITIVES:
        return PRIMITIVES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return union([("literal", each) for each in arguments])
    if origin in (Union, types.UnionType):
        return union([form_of(each, known) for each in arguments])
    if origin is not None and issubclass(origin, Mapping):
        assert arguments[0] is str
        return "map", form_of(arguments[1], known)
    if origin is not None and issubclass(origin, Sequence):
        return "array", form_of(arguments[0], known)
    if is_typeddict(hint):
        return "record", tuple(sorted(_fields(hint, known)))
    if isinstance(hint, type) and issubclass(hint, tuple):
        hints = get_type_hints(hint)
        return "tuple", tuple((name, False, form_of(hints[name], known)) for name in hint._fields)  # type: ignore[attr-defined]
    raise AssertionError(f"protocol.py holds a type that this test cannot read: {hint}")


def _fields(hint: Any, known: Mapping[str, Any]) -> Iterator[Form]:
    for name, given in get_type_hints(hint, include_extras=True).items():
        # `__optional_keys__` knows nothing of `NotRequired` where annotations are strings.
        optional = get_origin(given) is NotRequired
        inner = get_args(given)[0] if optional else given
        yield name, optional or not hint.__total__, form_of(inner, known)


def python_types() -> dict[str, Form]:
    classes = {
        name: value
        for name, value in vars(protocol).items()
        if isinstance(value, type) and value.__module__.startswith(protocol.__name__)
    }
    known = classes | ALIASES
    return {
        name: form_of(value, {other: each for other, each in known.items() if other != name})
        for name, value in known.items()
    }


def test_both_sides_define_the_same_messages() -> None:
    typescript, python = TypeScript(SOURCE).types, python_types()
    assert sorted(typescript) == sorted(python)
    for name, form in typescript.items():
        assert form == python[name], name


def test_both_sides_define_the_same_constants() -> None:
    constants = TypeScript(SOURCE).constants
    assert len(constants) == 4
    assert constants == {name: getattr(protocol, name) for name in constants}


def test_the_settings_of_a_notebook_are_those_that_the_kernel_reads() -> None:
    assert set(settings.NOTEBOOK_SETTINGS) == protocol.NotebookSettings.__optional_keys__


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("readonly id: string;", "readonly id: string; readonly more?: string;"),
        ("readonly reason: string;", "readonly reason?: string;"),
        ("readonly reason: string;", "readonly reason: number;"),
        ("readonly reason: string;", ""),
        ("'asking' | ", "'asking' | 'waiting' | "),
        ("key: number, text: string", "text: string, key: number"),
        ("key: number, text: string", "key: number, text: string, more: string"),
        ("HereMessage | StopMessage", "HereMessage"),
        ("readonly change: string;", ""),
        ("readonly place?: string | null;", "readonly place?: string;"),
        (
            "export interface TurnMetadata",
            "export type More = string; export interface TurnMetadata",
        ),
    ],
)
def test_a_difference_is_found(before: str, after: str) -> None:
    assert before in SOURCE
    assert TypeScript(SOURCE.replace(before, after)).types != python_types()
