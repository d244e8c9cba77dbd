"""The text that is streamed: Markdown as a model writes it, of any length, and always the same for the same length.

It contains prose, lists, tables, code in two languages, LaTeX and some letters beyond ASCII. No two sections are alike,
and every code fence is closed, unless the text ends inside it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_WORDS = """
the a of to and in that model answer data value time result system which from each can when this are with as
it gradient estimate because sample distribution however variance measure between function larger smaller
observed kernel memory latency request therefore stream buffer reader process compare simple approach usually
depends on naïve façade größer café résumé coefficient matrix baseline experiment without error rate instead
of throughput
"""
_VOCABULARY = tuple(_WORDS.split())
_INSERTIONS = (
    "`np.mean(x)`",
    "**not** the median",
    "*in expectation*",
    "[the paper](https://example.org/p)",
    "$O(n)$",
    "≈ 3×",
)
_PYTHON = '''```python
import numpy as np


def {name}(values: np.ndarray, *, window: int = {a}) -> np.ndarray:
    """The running mean of `values`, `window` points wide."""
    if window > len(values):
        raise ValueError(f"window {{window}} is longer than the data ({{len(values)}})")
    sums = np.cumsum(np.insert(values, 0, 0.0))  # O(n)
    return (sums[window:] - sums[:-window]) / window


print({name}(np.arange({b}), window={a})[:{a}])
```
'''
_SHELL = """```bash
$ mytool run --input {name}.csv --rows {b} | sort -k {a} > {name}.txt
$ grep -c "error" {name}.txt
{a}
```
"""


def markdown(length: int) -> str:
    """Return Markdown of exactly `length` characters."""
    parts: list[str] = []
    size = 0
    for part in _sections(random.Random(20_261_124)):
        if size >= length:
            break
        parts.append(part)
        size += len(part)
    return "".join(parts)[:length]


def _sections(rng: random.Random) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"## {number}. {_phrase(rng, 4).capitalize()}\n\n"
        for _ in range(rng.randint(1, 3)):
            yield f"{_paragraph(rng)}\n\n"
        yield "".join(f"{_bullet(rng, n)} {_sentence(rng)}\n" for n in range(rng.randint(3, 6))) + "\n"
        yield f"{_paragraph(rng)}\n\n"
        match number % 4:
            case 0:
                yield _table(rng) + "\n"
            case 2:
                yield f"$$\n\\hat\\theta_{{{number}}} = \\frac{{1}}{{n}} \\sum_{{i=1}}^{{n}} x_i^{{{number}}}\n$$\n\n"
            case odd:
                name = "_".join(_phrase(rng, 2).split())
                yield (_PYTHON if odd == 1 else _SHELL).format(
                    name=name, a=rng.randint(2, 9), b=rng.randint(10, 99)
                ) + "\n"


def _phrase(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_VOCABULARY, k=words))


def _sentence(rng: random.Random) -> str:
    insertion = f" {rng.choice(_INSERTIONS)}" if rng.random() < 0.25 else ""
    return f"{_phrase(rng, rng.randint(5, 14)).capitalize()}{insertion}, {_phrase(rng, rng.randint(2, 6))}."


def _paragraph(rng: random.Random) -> str:
    return " ".join(_sentence(rng) for _ in range(rng.randint(2, 5)))


def _bullet(rng: random.Random, number: int) -> str:
    return "-" if number % 2 else f"- **{_phrase(rng, 2).capitalize()}:**"


def _table(rng: random.Random) -> str:
    rows = [f"| {_phrase(rng, 2)} | {rng.randint(1, 999)} | {rng.random():.3f} |" for _ in range(5)]
    return "\n".join(["| name | count | share |", "| --- | ---: | ---: |", *rows, ""])
