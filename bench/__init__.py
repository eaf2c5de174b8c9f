"""Benchmarks and torture, each printing its figures beside a peer or a limit."""
