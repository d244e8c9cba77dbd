"""`python -m fuzz TARGET`: a property of tests/ under atheris, which looks for bytes that reach new lines.

Always true: a target is a test that hypothesis runs too, so that a find becomes an `@example` of that test. Without a
name the targets are listed. What follows the name is libFuzzer's: `-max_total_time=60`, or a file that it wrote, which
is then run alone. Needs the extra `fuzz`, whose wheels are for Linux.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

TARGETS = ("sse", "records", "notebooks", "arguments", "templates")


def targets() -> dict[str, Callable[[bytes], object]]:
    """What each does with the bytes that it is given.

    Records and notebooks are drawn from the bytes as hypothesis draws from chance, since bytes that are JSON are not
    found by changing some.
    """
    from tests import test_outside
    from tests.ipython import test_arguments

    def inner(test: Any) -> Any:
        return test.hypothesis.inner_test

    record = test_outside.test_any_turn_is_shown_inert_and_can_be_saved
    notebook = test_outside.test_any_notebook_is_read_or_refused_and_its_turns_take_their_places
    stream = inner(test_outside.test_any_bytes_for_a_stream_do_too)
    typed = inner(test_arguments.test_any_text_is_parsed_or_raises_an_argument_error)
    template = inner(test_outside.test_any_template_is_rendered_or_the_expression_is_named)
    return {
        "sse": lambda data: stream(data, [len(data) // 2]),
        "records": drawn(record),
        "notebooks": drawn(notebook),
        "arguments": lambda data: typed(data.decode("utf-8", "replace")),
        "templates": lambda data: template(data.decode("utf-8", "replace"), 7),
    }


def drawn(test: Any) -> Callable[[bytes], object]:
    """The test, with what is drawn from the bytes; that is printed if it fails, for an `@example`."""
    inner = test.hypothesis.inner_test

    def told(**arguments: Any) -> None:
        try:
            inner(**arguments)
        except Exception:
            print("drawn:", arguments, file=sys.stderr)
            raise

    test.hypothesis.inner_test = told
    return test.hypothesis.fuzz_one_input


def main(name: str, options: list[str]) -> None:
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install -e '.[fuzz]' (its wheels are for Linux).")
    with atheris.instrument_imports(include=["mm_magics"]):
        run = targets()[name]
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  what views write
    atheris.Setup([sys.argv[0], "-len_control=0", "-max_len=65536", "-timeout=20", *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        print(*TARGETS, sep="\n")
        sys.exit(len(sys.argv) > 1)
    main(sys.argv[1], sys.argv[2:])
