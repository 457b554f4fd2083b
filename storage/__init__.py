"""Storage: schema, samples, alerts, outbox, checkpoints.  Open `store.py` first; docs/storage.md explains."""
