"""Refuse requests that would contain what the setting `never_send` names, before anything is sent.

A request is refused for where its parts come from (an expression, the output of a cell, the result of a tool, a file)
and for the values in its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from mm_magics.api.messages import Message
from mm_magics.api.request_parts import Part, message_parts, parts_of
from mm_magics.errors import NeverSendError
from mm_magics.prompt.protected import MOST_VALUES, Rule, table_columns, words_of, words_of_function
from mm_magics.prompt.template import FilledExpression
from mm_magics.prompt.value_search import ValueSearch
from mm_magics.tools.tool import Tool
from mm_magics.wording import counted

NOT_SENT = "The request was not sent. Leave this out (--context none leaves out earlier turns), or change never_send."
PLACES_SHOWN = 3


class NeverSend:
    """The rules of `never_send` for one turn or map run. The values are read from the variables when they are checked.

    Args:
        rules: The setting.
        namespace: The user's variables.
    """

    def __init__(self, rules: Iterable[str], namespace: Mapping[str, Any]) -> None:
        self._rules = [Rule.parse(each) for each in rules]
        self._namespace = namespace
        self._data_names: frozenset[str] = frozenset({"row"})

    def for_rows_of(self, data: Any) -> NeverSend:
        """Return the same rules for a run over the rows of this data, whose `row` is a row of these variables."""
        rules = NeverSend((), self._namespace)
        rules._rules = self._rules
        rules._data_names |= {name for name, value in dict(self._namespace).items() if value is data}
        return rules

    @property
    def is_empty(self) -> bool:
        return not self._rules

    def check_expressions(self, expressions: Iterable[FilledExpression]) -> None:
        """Raise `NeverSendError` if an expression of the prompt reads what a rule names."""
        for source, text in expressions:
            for rule in self._rules:
                if self._reads(rule, words_of(source), table_columns(text)):
                    raise _refused(rule, f"{{{{ {source} }}}} reads it")

    def check_columns(self, reads: Iterable[tuple[str, frozenset[str]]], columns: Iterable[Any]) -> None:
        """Raise `NeverSendError` if a template for rows with these columns reads one that a rule names.

        Args:
            reads: What reads the row, and its words. If it reads `row` and names no column, it reads all of them.
            columns: The columns of the data.
        """
        known = {str(each) for each in columns}
        for source, words in reads:
            if "row" in words:
                words |= self._data_names if words & known else self._data_names | known
            for rule in self._rules:
                if self._reads(rule, words):
                    raise _refused(rule, f"{source} reads it")

    def checked(self, body: bytes, tools: Mapping[str, Tool] | None = None) -> bytes:
        """Return the body of a request if it may be sent.

        Args:
            body: The JSON that would be sent.
            tools: The tools that the turn offers: those whose function reads a protected variable return it.

        Raises:
            NeverSendError: It would contain what a rule names.
        """
        if self._rules:
            parts = list(parts_of(json.loads(body, parse_float=str, parse_int=str)))
            self._check_origins(parts, tools or {})
            self._check_values(parts, self._new_search())
        return body

    def check_row(self, message: Message) -> None:
        """Raise `NeverSendError` if the message of a row contains what a rule names."""
        if self._rules:
            self._check_values(list(message_parts([message])), self._search)

    def notes(self) -> list[str]:
        """Return which values are not searched for."""
        return [
            f"never_send: of the values of {rule.text}, the first {MOST_VALUES:,} are searched for."
            for rule in self._rules
            if not rule.values(self._namespace)[1]
        ]

    def _check_origins(self, parts: Iterable[Part], tools: Mapping[str, Tool]) -> None:
        for part in parts:
            for rule in self._rules:
                if part.kind in ("file", "image") and rule.is_file(part.name):
                    raise _refused(rule, f"the request would contain {part.place}")
                if part.kind in ("output", "result", "image") and (part.source or part.name in tools):
                    words = words_of(part.source) | _argument_words(part)
                    if part.kind == "result" and part.name in tools:
                        words |= words_of_function(tools[part.name].function)
                    if self._reads(rule, words, table_columns(part.text)):
                        raise _refused(rule, f"{part.place} reads it")

    def _reads(self, rule: Rule, words: frozenset[str], columns: Iterable[str] = ()) -> bool:
        """Return whether code with these words reads what a rule names, also by another name of the variable."""
        if words & rule.aliases(self._namespace):
            words |= {rule.parts[0]}
        return rule.is_read_by(words, list(columns))

    @cached_property
    def _search(self) -> ValueSearch:
        return self._new_search()

    def _new_search(self) -> ValueSearch:
        return ValueSearch({rule.text: rule.values(self._namespace)[0] for rule in self._rules})

    def _check_values(self, parts: Sequence[Part], search: ValueSearch) -> None:
        found: dict[str, set[int]] = {}
        places: dict[str, dict[str, None]] = {}
        for part in parts:
            named = search.found(part.name)
            place = Part(part.kind, "", "").place.strip() if named else part.place
            for name, numbers in (*search.found(part.text).items(), *named.items()):
                found.setdefault(name, set()).update(numbers)
                places.setdefault(name, {})[place] = None
        for rule in self._rules:
            if rule.text in found:
                values = counted(len(found[rule.text]), "value")
                where = list(places[rule.text])
                more = f" and {counted(len(where) - PLACES_SHOWN, 'more place')}" if len(where) > PLACES_SHOWN else ""
                raise _refused(
                    rule,
                    f"the request would contain {values} of it, in {', '.join(where[:PLACES_SHOWN])}{more}",
                )


def _argument_words(part: Part) -> frozenset[str]:
    """Return the words of the code in the arguments of a call, which are JSON."""
    if part.kind != "result":
        return frozenset()
    try:
        arguments = json.loads(part.source)
    except ValueError:
        return frozenset()
    return frozenset(word for each in _texts(arguments) for word in words_of(each))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _refused(rule: Rule, why: str) -> NeverSendError:
    return NeverSendError(f"{rule.text} is in never_send, and {why}.", NOT_SENT)
