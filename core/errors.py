"""What can go wrong, as a tree.

FengsuiError
├── ConfigError        the start stops: file, key, what was expected, the remedy
├── TownError          a registry file: file, line, what was expected, the remedy
├── RuleError          a rule pack: file, line, what was expected, the remedy
├── ChannelError       a notification was not accepted (alerts/notify/contract.py says what follows)
└── ServerError        an embedded server did not start or died

Bad readings are not errors: they are data, kept as rejects (core/reject.py).
"""

from __future__ import annotations


class FengsuiError(Exception):
    """Base of all errors that this service raises on purpose; its text is meant to be read by an operator."""


class SourceError(FengsuiError):
    """Something a person wrote cannot be used.

    where : str      file, with line or key where known ("fengsui.toml [mqtt] port")
    problem : str    what is there and what was expected
    remedy : str     what to do, in the imperative
    """

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"{where}: {problem}. {remedy}")
        self.where = where
        self.problem = problem
        self.remedy = remedy


class ConfigError(SourceError):
    """The configuration cannot be used."""


class TownError(SourceError):
    """A registry file cannot be imported; nothing of it was."""


class RuleError(SourceError):
    """A rule pack cannot be used; the rules in force stay in force."""


class ServerError(FengsuiError):
    """An embedded server did not start, or died."""
