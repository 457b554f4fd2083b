"""Scope: which enterprises a person sees; every question to the database is asked within one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from console.models import Account

_BELOW = """
WITH RECURSIVE below AS (
    SELECT %(area)s::int AS id UNION SELECT a.id FROM registry_area a JOIN below ON a.parent_id = below.id
)
SELECT id FROM registry_enterprise
WHERE (%(area)s::int IS NULL OR area_id IN (SELECT id FROM below))
  AND (%(department)s = '' OR department = %(department)s)
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """What somebody sees and may do.

    enterprises : primary keys; None = every one, also what belongs to none
    may_act : acknowledge, close and the like
    """

    enterprises: tuple[int, ...] | None
    may_act: bool = True

    @property
    def sql(self) -> dict[str, Any]:
        """The parameters `everything` and `enterprises` of a statement."""
        return {"everything": self.enterprises is None, "enterprises": list(self.enterprises or ())}


EVERYTHING = Scope(None)
NOTHING = Scope((), may_act=False)


def scope_of(user: Any) -> Scope:
    """Return the scope of who is signed in; asked anew for every request, so that a change holds at once."""
    if not user.is_authenticated:
        return NOTHING
    if user.is_superuser:
        return EVERYTHING
    account = Account.objects.filter(user=user).first()
    if account is None:
        return NOTHING
    if account.kind == "platform":
        return Scope(None, account.may_act)
    if account.enterprise_id is not None:
        return Scope((account.enterprise_id,), account.may_act)
    return Scope(_enterprises(account.area_id, account.department), account.may_act)


def _enterprises(area: int | None, department: str) -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_BELOW, {"area": area, "department": department})
        return tuple(key for (key,) in cursor.fetchall())
