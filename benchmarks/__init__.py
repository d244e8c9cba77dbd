"""Benchmarks of mm_magics: `python -m benchmarks`. Speed is measured as a ratio to the raw SDK in the same run."""
