"""What rules ask the registry: a device's own numbers, and facts (orders, permits, calendars)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from registry.models.choices import choices
from registry.models.device import Device
from registry.models.enterprise import Enterprise
from registry.parameters import NAME
from registry.words import FactKind


class DeviceParameter(models.Model):
    """A number of a rule that is another for one device; rules are not known here, `fengsui doctor` looks."""

    device = models.ForeignKey(
        Device, verbose_name=_("device"), on_delete=models.CASCADE, related_name="parameters"
    )
    parameter = models.CharField(
        _("parameter"),
        max_length=100,
        help_text=_("Rule and parameter: D-01.upper"),
        validators=[RegexValidator(rf"^{NAME.pattern}$", _("Write it as D-01.upper."))],
    )
    value = models.FloatField(_("value"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("parameter of a rule")
        verbose_name_plural = _("parameters of rules")
        ordering = ("device", "parameter")
        constraints = (
            models.UniqueConstraint(fields=("device", "parameter"), name="registry_deviceparameter_once"),
        )

    def __str__(self) -> str:
        return f"{self.parameter} = {self.value:g}"


class Fact(models.Model):
    """An order, a permit or a calendar entry; rules see it as a signal that is 1 while it holds."""

    kind = models.CharField(_("kind"), max_length=32, choices=choices(FactKind))
    enterprise = models.ForeignKey(
        Enterprise, verbose_name=_("enterprise"), on_delete=models.PROTECT, related_name="facts"
    )
    device = models.ForeignKey(
        Device,
        verbose_name=_("device"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="facts",
        help_text=_("Empty: all devices of the enterprise."),
    )
    valid_from = models.DateTimeField(_("valid from"))
    valid_to = models.DateTimeField(
        _("valid to"), null=True, blank=True, help_text=_("Empty: until further notice.")
    )
    daily_from = models.TimeField(_("daily from"), null=True, blank=True)
    daily_to = models.TimeField(
        _("daily to"), null=True, blank=True, help_text=_("Not later than the beginning: the next day.")
    )
    reference = models.CharField(_("document number"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("fact (order, permit, calendar)")
        verbose_name_plural = _("facts (orders, permits, calendars)")
        ordering = ("-valid_from", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")),
                name="registry_fact_lasts",
                violation_error_message=_("It ends before it begins."),
            ),
            models.CheckConstraint(
                condition=Q(daily_from__isnull=True, daily_to__isnull=True)
                | Q(daily_from__isnull=False, daily_to__isnull=False),
                name="registry_fact_both_hours",
                violation_error_message=_("Give both hours of the day, or none."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.reference}".strip()

    def clean(self) -> None:
        """A device is one of the enterprise's."""
        device: Any = self.device
        if device is not None and device.gateway.enterprise_id != self.enterprise_id:
            raise ValidationError({"device": _("This device belongs to another enterprise.")})
