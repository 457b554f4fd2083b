"""What the store refuses on purpose.

A lost database is not here: it is psycopg.OperationalError, always temporary, and the caller tries again.

StorageError
├── FencedError   another pipeline writes to this database: end
└── BrokenError   checkpoints or log cannot be used: an operator must decide
"""

from __future__ import annotations

from core.errors import FengsuiError


class StorageError(FengsuiError):
    """The store refuses; trying again does not help."""


class FencedError(StorageError):
    """Another pipeline writes to this database."""


class BrokenError(StorageError):
    """What an exact restart needs is damaged or missing."""
