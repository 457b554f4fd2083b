"""Enterprises: who is watched, and gets the alert first."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models.area import Area
from registry.models.choices import CODE, LEVELS, choices
from registry.words import DustKind


class Enterprise(models.Model):
    """One enterprise, with what decides how closely it is watched."""

    code = models.CharField(_("code"), max_length=64, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=200)
    name_en = models.CharField(_("English name"), max_length=200, blank=True)
    area = models.ForeignKey(
        Area, verbose_name=_("area"), on_delete=models.PROTECT, related_name="enterprises"
    )
    address = models.CharField(_("address"), max_length=200, blank=True)
    industry = models.CharField(_("industry"), max_length=100, blank=True)
    category = models.CharField(_("category"), max_length=100, blank=True)
    sector = models.CharField(_("sector"), max_length=100, blank=True)
    department = models.CharField(_("competent department"), max_length=100, blank=True)
    grade = models.PositiveSmallIntegerField(_("risk grade"), choices=LEVELS, null=True, blank=True)
    dust_kind = models.CharField(
        _("kind of dust"), max_length=16, choices=choices(DustKind), default=DustKind.NONE.value
    )
    dust_workers = models.PositiveIntegerField(_("persons at dusty work"), default=0)
    longitude = models.FloatField(
        _("longitude (WGS-84)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(-180), MaxValueValidator(180)],
    )
    latitude = models.FloatField(
        _("latitude (WGS-84)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
    )
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("enterprise")
        verbose_name_plural = _("enterprises")
        ordering = ("code",)

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"
