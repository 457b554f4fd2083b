"""Measurements of our own parts, as `fengsui bench …`; what came out is in docs/benchmarks.md."""
