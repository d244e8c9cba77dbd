"""`python -m fuzz TARGET`: a property of tests/ under atheris, which looks for inputs that reach new lines.

Always true: a target is a test that hypothesis runs too, so that a find becomes an `@example` of that test. Without a
name the targets are listed. What follows the name is libFuzzer's: `-max_total_time=60`, or a file that it wrote, which
is then run alone. Needs the extra `fuzz`, whose wheels are for Linux.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

TARGETS = {
    "sse": ("tests.test_outside", "test_any_bytes_for_a_stream_do_too"),
    "events": ("tests.test_outside", "test_any_events_make_a_message_that_can_be_shown_saved_and_sent_again"),
    "records": ("tests.test_outside", "test_any_turn_is_shown_inert_and_can_be_saved"),
    "notebooks": ("tests.test_outside", "test_any_notebook_is_read_or_refused_and_its_turns_take_their_places"),
    "arguments": ("tests.test_arguments", "test_whatever_is_typed_gives_flags_or_one_of_our_errors"),
    "templates": ("tests.test_outside", "test_any_template_is_rendered_or_the_expression_is_named"),
}


def main(name: str, options: list[str]) -> None:
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install -e '.[fuzz]' (its wheels are for Linux).")
    from hypothesis import HealthCheck, settings

    settings.register_profile("atheris", deadline=None, database=None, suppress_health_check=list(HealthCheck))
    settings.load_profile("atheris")
    with atheris.instrument_imports(include=["mm_magics"]):
        module, test = TARGETS[name]
        run = getattr(import_module(module), test).hypothesis.fuzz_one_input
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  what views write
    atheris.Setup([sys.argv[0], "-len_control=0", "-max_len=4096", "-timeout=20", *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        print(*TARGETS, sep="\n")
        sys.exit(len(sys.argv) > 1)
    main(sys.argv[1], sys.argv[2:])
