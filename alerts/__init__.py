"""Alerts: state table, desk, routing, messages, outbox: pure decisions; notify/ alone talks to the world."""
