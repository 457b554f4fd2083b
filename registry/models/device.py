"""Gateways, and the devices behind them."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models.choices import CODE, choices
from registry.models.enterprise import Enterprise
from registry.words import Profile


def known_zone(name: str) -> None:
    """Refuse what is no time zone: a naive timestamp would be read wrong by hours."""
    if name not in available_timezones():
        raise ValidationError(_("%(name)s is no time zone, e.g. Asia/Shanghai."), params={"name": name})


class Gateway(models.Model):
    """The MQTT client of an enterprise; its code is part of its user name and of its topics."""

    code = models.CharField(_("code"), max_length=64, unique=True, validators=[CODE])
    enterprise = models.ForeignKey(
        Enterprise, verbose_name=_("enterprise"), on_delete=models.PROTECT, related_name="gateways"
    )
    zone = models.CharField(
        _("time zone of naive times"), max_length=64, default="Asia/Shanghai", validators=[known_zone]
    )
    lenient = models.BooleanField(
        _("lenient decoding"), default=False, help_text=_("Accept known faults of its messages.")
    )
    messages_per_s = models.PositiveIntegerField(
        _("messages per second"),
        default=0,
        db_default=0,
        help_text=_("More are rejected; 0 = as configured."),
    )
    shared_topics = models.BooleanField(
        _("shared topics"),
        default=False,
        db_default=False,
        help_text=_("May publish on topics that name no gateway; others that may, too, can pose as it."),
    )
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("gateway")
        verbose_name_plural = _("gateways")
        ordering = ("code",)

    def __str__(self) -> str:
        return self.code


class Device(models.Model):
    """A collector, meter or welder; its code is unique behind its gateway."""

    gateway = models.ForeignKey(
        Gateway, verbose_name=_("gateway"), on_delete=models.PROTECT, related_name="devices"
    )
    code = models.CharField(_("code"), max_length=64)
    name_zh = models.CharField(_("Chinese name"), max_length=100)
    name_en = models.CharField(_("English name"), max_length=100, blank=True)
    place = models.CharField(_("place"), max_length=200, blank=True)
    profile = models.CharField(_("profile"), max_length=32, choices=choices(Profile))
    model = models.CharField(_("maker and model"), max_length=100, blank=True)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        ordering = ("gateway", "code")
        constraints = (models.UniqueConstraint(fields=("gateway", "code"), name="registry_device_once"),)

    def __str__(self) -> str:
        return f"{self.name_zh} ({self.code})"
