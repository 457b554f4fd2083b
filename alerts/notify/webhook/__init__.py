"""A signed webhook: JSON to an address of your own."""
