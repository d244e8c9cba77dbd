"""Batch runs: one prompt over many rows, with stored answers, rate limits and engines that send concurrently."""
