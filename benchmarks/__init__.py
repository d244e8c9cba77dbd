"""What measures mm_magics: `python -m benchmarks`. Every figure of speed is a ratio to the raw SDK in the same run."""
