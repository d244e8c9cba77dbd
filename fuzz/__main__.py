"""`python -m fuzz TARGET [OPTION...]`: run a property test under atheris, which searches for new code paths.

Every target is a test that Hypothesis runs too, so that a finding becomes an `@example` of that test. Without a target,
the targets are listed. The options are libFuzzer's, such as `-max_total_time=60`, or a file that it wrote, to run only
that input. Requires the extra `fuzz`, whose wheels are for Linux.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

TARGETS = ("sse", "records", "notebooks", "arguments", "templates", "calls", "events", "formulas")


def targets() -> dict[str, Callable[[bytes], object]]:
    """Return the function of each target, which takes bytes.

    Records, notebooks, calls, events and formulas are drawn from the bytes as Hypothesis draws from random data:
    changing single bytes rarely gives valid JSON.
    """
    from tests import test_outside
    from tests.display import test_formulas
    from tests.endpoint import test_altered_calls, test_event_cost
    from tests.history import test_linear_reading
    from tests.ipython import test_arguments

    def inner(test: Any) -> Any:
        return test.hypothesis.inner_test

    record = test_outside.test_any_turn_is_displayed_sanitized_and_can_be_saved
    notebook = test_outside.test_any_notebook_is_read_with_its_turns_or_refused
    calls = test_altered_calls.test_only_a_call_as_the_api_defines_it_can_run
    stream = inner(test_outside.test_any_bytes_as_a_stream_make_a_message_that_can_be_displayed_saved_and_sent)
    typed = inner(test_arguments.test_any_text_is_parsed_or_raises_an_argument_error)
    formulas = test_formulas.test_any_text_leaves_only_allowed_formulas_to_mathjax
    template = inner(test_outside.test_any_template_is_rendered_or_its_expression_is_quoted)
    return {
        "sse": lambda data: stream(data, [len(data) // 2]),
        "records": drawn(record),
        "notebooks": drawn(notebook),
        "calls": drawn(calls),
        "events": drawn(test_event_cost.test_no_stream_becomes_more_objects_than_the_limit),
        "formulas": drawn(formulas),
        "reading": drawn(test_linear_reading.test_any_mixture_of_shapes_is_read_in_steps_linear_in_its_size),
        "arguments": lambda data: typed(data.decode("utf-8", "replace")),
        "templates": lambda data: template(data.decode("utf-8", "replace"), 7),
    }


def drawn(test: Any) -> Callable[[bytes], object]:
    """Return the test with arguments drawn from the bytes. If it fails, they are printed, for an `@example`."""
    inner = test.hypothesis.inner_test

    def run_printing(**arguments: Any) -> None:
        try:
            inner(**arguments)
        except Exception:
            print("drawn:", arguments, file=sys.stderr)
            raise

    test.hypothesis.inner_test = run_printing
    return test.hypothesis.fuzz_one_input


def main(name: str, options: list[str]) -> None:
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install -e '.[fuzz]' (its wheels are for Linux).")
    with atheris.instrument_imports(include=["mm_magics"]):
        run = targets()[name]
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  discards what views write
    atheris.Setup([sys.argv[0], "-len_control=0", "-max_len=65536", "-timeout=20", *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        print(*TARGETS, sep="\n")
        sys.exit(len(sys.argv) > 1)
    main(sys.argv[1], sys.argv[2:])
