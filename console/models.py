"""Accounts: what a person who signs in may see and do (docs/security.md)."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models import Area, Enterprise

KINDS = [
    ("enterprise", _("Enterprise: itself")),
    ("area", _("Area: with all areas below it")),
    ("department", _("Department: its enterprises")),
    ("platform", _("Platform: everything")),
]


class Account(models.Model):
    """The scope of one user; a user without one sees nothing, a superuser everything."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="account", verbose_name=_("user")
    )
    kind = models.CharField(_("sees"), max_length=16, choices=KINDS)
    enterprise = models.ForeignKey(
        Enterprise, null=True, blank=True, on_delete=models.PROTECT, verbose_name=_("enterprise")
    )
    area = models.ForeignKey(Area, null=True, blank=True, on_delete=models.PROTECT, verbose_name=_("area"))
    department = models.CharField(_("competent department"), max_length=100, blank=True)
    may_act = models.BooleanField(
        _("may act"), default=True, help_text=_("Acknowledge, close …; without it, look only.")
    )

    class Meta:
        verbose_name = _("scope")
        verbose_name_plural = _("scopes")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(
                    kind="enterprise", enterprise__isnull=False, area__isnull=True, department=""
                )
                | models.Q(kind="area", enterprise__isnull=True, area__isnull=False, department="")
                | (models.Q(kind="department", enterprise__isnull=True) & ~models.Q(department=""))
                | models.Q(kind="platform", enterprise__isnull=True, area__isnull=True, department=""),
                name="console_account_one_scope",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} · {self.kind}"

    def clean(self) -> None:
        """Name exactly what the kind asks for."""
        wanted = {"enterprise": self.enterprise, "area": self.area, "department": self.department}
        if self.kind in wanted and not wanted[self.kind]:
            raise ValidationError({self.kind: _("Name it: this is what the account sees.")})
        allowed = {"department": ("department", "area")}.get(self.kind, (self.kind,))
        for name, value in wanted.items():
            if value and name not in allowed:
                raise ValidationError({name: _("Leave it empty: the account sees something else.")})
