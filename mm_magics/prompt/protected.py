"""The variables that `never_send` names: which code reads them, and which values they have.

A rule is a path such as `df.email`, `secrets.*`, `*.email` or `df["E-mail address"]`. Each part is a pattern with `*`
and `?`. A part names a column or an index level of a data frame, a key of a mapping, or an attribute; in a list, that
of each item.
"""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from itertools import islice
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from mm_magics.prompt.value_search import LEAST

MOST_VALUES = 10_000
"""Values of one rule that are searched for."""
MOST_ITEMS = 2_000_000
"""Items that are looked at to find them."""

_PART = re.compile(r"""(?:^|\.)([^.\[\]"'\s]+)|\[(?:"([^"\n]+)"|'([^'\n]+)')\]""")
_WORD = re.compile(r"[^\W\d]\w*")
_HEADER = re.compile(r"^\| (.*) \|\n\|(?: ?:?-+:? ?\|)+$", re.MULTILINE)
_SHAPE = re.compile(r"^[\d,]+ rows? × [\d,]+ columns? \((.*)", re.MULTILINE)
_SHELL_NAMES = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})


_MOST_BITS = 10_000
"""Of a whole number that is searched for. Python does not write larger ones as text."""
_PLAIN = (str, bytes, int, float, bool, type(None), ModuleType)
"""Types of values that variables share by chance."""


@dataclass(frozen=True)
class Rule:
    """A rule of `never_send`, as the user wrote it and as its parts.

    >>> Rule.parse('df["E-mail address"]').parts
    ('df', 'E-mail address')
    """

    text: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Return the rule. Raises `ValueError` if it is not a path."""
        text = text.strip()
        found = list(_PART.finditer(text))
        if not found or "".join(each[0] for each in found) != text:
            raise ValueError(f"{text!r} is not the name of a variable, such as df.email or secrets.*")
        return cls(text, tuple(each[1] or each[2] or each[3] for each in found))

    def is_read_by(self, words: Collection[str], columns: Collection[str] = ()) -> bool:
        """Return whether code with these words reads what the rule names.

        Args:
            words: The words of the code, as `words_of` returns them.
            columns: The columns of a table that the code returned.
        """
        if not any(fnmatchcase(word, self.parts[0]) for word in words):
            return False
        rest = (part for part in self.parts[1:] if part.strip("*"))
        return all(any(fnmatchcase(each, part) for each in (*words, *columns)) for part in rest)

    def aliases(self, namespace: Mapping[str, Any]) -> frozenset[str]:
        """Return the names of variables that are the same object as one that the rule names, without copies of it."""
        variables = dict(namespace)
        named = [
            value
            for name, value in variables.items()
            if fnmatchcase(name, self.parts[0]) and not isinstance(value, _PLAIN) and not name.startswith("_")
        ]
        return frozenset(name for name, value in variables.items() if any(value is each for each in named))

    def is_file(self, name: str) -> bool:
        """Return whether the rule is a pattern that the name of a file matches: `secrets.*` and `secrets.json`."""
        return fnmatchcase(name, self.text)

    def values(self, namespace: Mapping[str, Any]) -> tuple[list[object], bool]:
        """Return the values of what the rule names, and whether these are all of them."""
        found: dict[object, None] = {}
        items = islice(self._leaves(namespace), MOST_ITEMS)
        for value in items:
            if (isinstance(value, int) and value.bit_length() > _MOST_BITS) or len(str(value).strip()) < LEAST:
                continue
            if len(found) == MOST_VALUES and value not in found:
                return list(found), False
            found[value] = None
        return list(found), next(items, None) is None

    def _leaves(self, namespace: Mapping[str, Any]) -> Iterator[object]:
        first, *rest = self.parts
        seen: dict[int, Any] = {}
        for name, value in dict(namespace).items():
            is_named = name == first or not (name.startswith("_") or name in _SHELL_NAMES)
            if is_named and fnmatchcase(name, first) and not (set("*?") & set(first) and isinstance(value, ModuleType)):
                yield from _leaves_of(value, rest, seen)


def words_of(source: str) -> frozenset[str]:
    """Return the names, attributes and words of texts in Python code; all words if it is not Python.

    >>> sorted(words_of('df[["email", "n"]].head()  # name'))
    ['df', 'email', 'head', 'n']
    """
    try:
        tree = ast.parse(source.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return frozenset(_WORD.findall(source))
    words: set[str] = set()
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "asname", "module"):
            if isinstance(value := getattr(node, field, None), str):
                words.update(value.split("."))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.update((node.value, *_WORD.findall(node.value)))
    return frozenset(words)


def words_of_function(function: Any) -> frozenset[str]:
    """Return the names and the words of texts in a function of the user."""
    function = function.__func__ if isinstance(function, MethodType) else function
    with suppress(AttributeError):
        function = getattr(function, "__wrapped__", function)
        return frozenset(_words_of_code(function.__code__)) if isinstance(function, FunctionType) else frozenset()
    return frozenset()


def _words_of_code(code: CodeType) -> Iterator[str]:
    yield from (*code.co_names, *code.co_freevars)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _words_of_code(each)
        elif isinstance(each, str):
            yield from (each, *_WORD.findall(each))
        elif isinstance(each, tuple):
            yield from (word for word in each if isinstance(word, str))


def table_columns(text: str) -> list[str]:
    r"""Return the columns of the Markdown tables in a text, and those that the line above a data frame names.

    >>> table_columns("| name | a\\|b |\n| --- | --- |\n| x | y |"), table_columns("2 rows × 2 columns (a: i8, b: i8")
    (['name', 'a|b'], ['a', 'b'])
    """
    shown = [
        name.strip().replace("\\|", "|")
        for header in _HEADER.finditer(text)
        for name in re.split(r"(?<!\\)\|", header[1])
    ]
    named = [
        each.partition(": ")[0] for shape in _SHAPE.finditer(text) for each in shape[1].split(", ") if ": " in each
    ]
    return [each for each in dict.fromkeys([*named, *shown]) if each]


def _leaves_of(value: Any, path: list[str], seen: dict[int, Any]) -> Iterator[object]:
    """Yield the plain values that a value contains, or those of its parts that the path names."""
    if path:
        for child in _children(value, path[0]):
            yield from _leaves_of(child, path[1:], seen)
    else:
        yield from _contents(value, seen)


def _contents(value: Any, seen: dict[int, Any]) -> Iterator[object]:
    """Yield the plain values that a value contains, the nearest ones first. Objects in `seen` are not read again."""
    waiting = deque([value])
    while waiting:
        value = waiting.popleft()
        if isinstance(value, Enum):
            value = value.value
        if value is None or isinstance(value, bool | ModuleType | type | FunctionType | MethodType):
            continue
        if isinstance(value, str | int | float):
            yield value
            continue
        if id(value) in seen:
            continue
        seen[id(value)] = value  # which also prevents that another object gets this id
        if isinstance(value, bytes | bytearray):
            yield value.decode("utf-8", "replace")
        elif isinstance(value, Mapping):
            waiting.extend(list(value.values()))
        elif (secret := _attribute(value, "get_secret_value")) is not None:  # Pydantic's
            waiting.append(secret())
        elif _is_frame(value):
            waiting.extend(_columns(value))
        elif (items := _items(value)) is not None:
            for each in items:
                if type(each) in (str, int, float):
                    yield each
                else:
                    waiting.append(each)
        else:
            yield from _texts_of(value)
            own = _attribute(value, "__dict__") or {}
            waiting.extend(each for name, each in list(own.items()) if not name.startswith("__"))


def _texts_of(value: Any) -> Iterator[str]:
    """Yield the text that an object of the user has, without that of other objects in it."""
    own = _attribute(value, "__dict__") or {}
    if all(each is None or isinstance(each, _PLAIN) for each in list(own.values())):
        with suppress(Exception):
            if object.__repr__(value) != (text := str(value)):
                yield text
    with suppress(Exception):
        iso = value.isoformat()
        yield iso
        yield iso.removesuffix("T00:00:00")


def _children(value: Any, part: str) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from (each for key, each in list(value.items()) if fnmatchcase(str(key), part))
    elif _is_frame(value):
        yield from (column for column in _columns(value, part))
    elif _is_list(value):
        for each in _flat(value):
            yield from _children(each, part)
    else:
        own, fields = _attribute(value, "__dict__"), _attribute(value, "_fields")
        names = dict.fromkeys([*(own or ()), *(fields if isinstance(fields, tuple) else ()), *_slots(value)])
        if not set("*?") & set(part):
            names[part] = None
        for name in names:
            if fnmatchcase(name, part) and not (name.startswith("__") and name != part):
                with suppress(Exception):  # a property of the user's object
                    yield getattr(value, name)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and not _attribute(value, "_fields")


def _flat(items: Any) -> Iterator[Any]:
    """Yield the items of a list and of the lists in it, each list once."""
    waiting, seen = [items], {id(items)}
    while waiting:
        for each in waiting.pop():
            if not _is_list(each):
                yield each
            elif id(each) not in seen:
                seen.add(id(each))
                waiting.append(each)


def _slots(value: Any) -> Iterable[str]:
    slots = (getattr(each, "__slots__", ()) for each in type(value).__mro__)
    return [name for each in slots for name in ([each] if isinstance(each, str) else each)]


def _is_frame(value: Any) -> bool:
    names = (_attribute(value, each) for each in ("columns", "column_names"))
    return not isinstance(value, type) and any(each is not None for each in names)


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute; None if it is missing or its code fails."""
    with suppress(Exception):
        return getattr(value, name, None)
    return None


def _columns(frame: Any, part: str = "*") -> Iterator[Any]:
    """Yield the columns and index levels of a data frame whose names match, or one of whose levels does."""
    with suppress(Exception):  # a data frame of another library, or one that is not in memory
        names = list(getattr(frame, "column_names", None) or frame.columns)
        if all(not isinstance(each, str | tuple | int | float) and each is not None for each in names):
            names = list(frame.column_names)  # PyArrow: `columns` are the columns themselves
        for number, name in enumerate(names):
            if _matches(name, part):
                yield frame.iloc[:, number] if hasattr(frame, "iloc") else frame[name]
    with suppress(Exception):
        index = getattr(frame, "index", None)
        for number, name in enumerate(getattr(index, "names", ()) or ()):
            if name is not None and _matches(name, part):
                yield index.get_level_values(number)  # type: ignore[union-attr]


def _matches(name: object, part: str) -> bool:
    names = (name, *name) if isinstance(name, tuple) else (name,)
    return any(fnmatchcase(str(each), part) for each in names)


def _items(value: Any) -> Iterable[Any] | None:
    """Return the items of a list, a set, an array or a column; None for another object."""
    if isinstance(value, list | tuple | set | frozenset):
        return value
    with suppress(Exception):
        unique = value.unique() if hasattr(value, "unique") else value
        for method in ("to_pylist", "to_list", "tolist"):
            if hasattr(unique, method):
                items = getattr(unique, method)()
                return items if isinstance(items, list) else [items]
    with suppress(Exception):  # a column of lists, which has no unique values
        for method in ("to_pylist", "to_list", "tolist"):
            if hasattr(value, method):
                items = getattr(value, method)()
                return items if isinstance(items, list) else [items]
    return None
