"""Storage: schema and migrations, samples, alerts, outbox, checkpoints.  `store.py` is the hot path; docs/storage.md explains."""
