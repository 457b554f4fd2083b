"""Nouns without I/O: Batch, events, units, time, errors.  Imports numpy and nothing of ours."""
