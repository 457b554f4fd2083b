"""Wire formats: one module each, all with the face of contract.Format; docs/wire.md says what they read."""
