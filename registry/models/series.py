"""Series and their limits: what a device measures, and when that is dangerous."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from registry import signals
from registry.models.choices import LEVELS, choices
from registry.models.device import Device
from registry.words import Side


class Series(models.Model):
    """One signal of one device.  Its primary key is never reused: a series is retired, not deleted.

    Empty names and unit are filled from the catalogue of signals; an empty range means the catalogue's.
    """

    device = models.ForeignKey(
        Device, verbose_name=_("device"), on_delete=models.PROTECT, related_name="series"
    )
    signal = models.CharField(
        _("signal"), max_length=63, validators=[RegexValidator(rf"^{signals.NAME.pattern}$")]
    )
    name_zh = models.CharField(_("Chinese name"), max_length=100, blank=True)
    name_en = models.CharField(_("English name"), max_length=100, blank=True)
    unit = models.CharField(_("unit"), max_length=16, blank=True)
    period_s = models.FloatField(
        _("period (s)"), default=10, validators=[MinValueValidator(0)], help_text=_("0 = on change")
    )
    physical_low = models.FloatField(_("physical range from"), null=True, blank=True)
    physical_high = models.FloatField(_("physical range to"), null=True, blank=True)
    mandatory = models.BooleanField(_("mandatory"), default=False)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("series")
        verbose_name_plural = _("series")
        ordering = ("device", "signal")
        constraints = (models.UniqueConstraint(fields=("device", "signal"), name="registry_series_once"),)

    def __str__(self) -> str:
        return f"{self.device.name_zh} {self.name_zh}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Fill what was left empty from the catalogue."""
        known = signals.find(self.signal)
        if known is not None:
            self.name_zh, self.name_en = self.name_zh or known.zh, self.name_en or known.en
            self.unit = self.unit or known.unit
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """A signal outside the catalogue brings its own name; a range is not empty."""
        if signals.find(self.signal) is None and not self.name_zh:
            raise ValidationError({"name_zh": _("This signal is not in the catalogue: give it a name.")})
        low, high = self.physical_low, self.physical_high
        if low is not None and high is not None and low >= high:
            raise ValidationError({"physical_high": _("The range is empty.")})


class Limit(models.Model):
    """One step of one series: beyond `limit` on `side` for `on_delay_s` the alert has this level."""

    series = models.ForeignKey(
        Series, verbose_name=_("series"), on_delete=models.CASCADE, related_name="limits"
    )
    level = models.PositiveSmallIntegerField(_("level"), choices=LEVELS)
    side = models.CharField(_("side"), max_length=4, choices=choices(Side), default=Side.HIGH.value)
    limit = models.FloatField(_("limit"))
    deadband = models.FloatField(_("deadband"), default=0, validators=[MinValueValidator(0)])
    on_delay_s = models.FloatField(_("on-delay (s)"), default=0, validators=[MinValueValidator(0)])
    off_delay_s = models.FloatField(_("off-delay (s)"), default=0, validators=[MinValueValidator(0)])

    class Meta:
        verbose_name = _("limit")
        verbose_name_plural = _("limits")
        ordering = ("series", "side", "level")
        constraints = (
            models.UniqueConstraint(fields=("series", "level", "side"), name="registry_limit_once"),
            models.CheckConstraint(
                condition=models.Q(deadband__gte=0, on_delay_s__gte=0, off_delay_s__gte=0),
                name="registry_limit_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_level_display()} {self.get_side_display()} {self.limit:g}"
