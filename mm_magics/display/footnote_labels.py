"""Give the footnotes of several answers in one file different labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from mm_magics.display.markdown import MarkdownLimitError
from mm_magics.display.rewrite_markdown import rewrite

_FOOTNOTE = re.compile(r"^[ >]*\[\^([^\]\s]+)\]:", re.MULTILINE)


def with_different_labels(answers: Sequence[str]) -> Iterator[str]:
    r"""Yield the Markdown of the answers, with other labels for footnotes whose labels an earlier answer has.

    >>> list(with_different_labels(["a[^1]\n\n[^1]: b", "c[^1] `[^1]`\n\n[^1]: d"]))
    ['a[^1]\n\n[^1]: b', 'c[^1-2] `[^1]`\n\n[^1-2]: d']
    """
    taken: set[str] = set()
    for number, answer in enumerate(answers, 1):
        labels = set(_FOOTNOTE.findall(answer))
        changed = {label: f"{label}-{number}" for label in labels & taken}
        taken |= labels | set(changed.values())
        with suppress(MarkdownLimitError):
            if changed:
                answer = _with_labels(answer, changed)
        yield answer


def _with_labels(answer: str, changed: dict[str, str]) -> str:
    def step(found: re.Match[str]) -> tuple[str, int]:
        label = found["label"]
        return (f"[^{changed[label]}]" if label in changed else found[0]), found.end()

    return rewrite(answer, r"\[\^(?P<label>[^\]\s]+)\]", step)
