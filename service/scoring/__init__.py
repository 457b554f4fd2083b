"""Benchmarks: public corpora read, scored by their exact protocols, reported beside published peers."""
