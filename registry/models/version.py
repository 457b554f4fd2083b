"""One row that says: look again."""

from __future__ import annotations

from django.db import models


class Version(models.Model):
    """Counts the changes to all registry tables; triggers keep it, so a change made in psql counts too."""

    version = models.BigIntegerField(default=1)
    changed = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return str(self.version)
