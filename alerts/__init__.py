"""Alerts: state table, desk, routing, messages, outbox; pure decisions but for notify/, which talks to the world."""
