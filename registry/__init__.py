"""Registry: who and what exists.  Django models for people to edit; `catalog` for the hot path to read."""
