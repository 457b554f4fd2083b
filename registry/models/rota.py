"""Duty rotas: who has a role of an enterprise or an area, in turn; registry/rota.py says what the fields mean."""

from __future__ import annotations

from datetime import time
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models.area import Area
from registry.models.choices import CODE, choices
from registry.models.contact import Contact
from registry.models.enterprise import Enterprise
from registry.rota import Turn, turns_of
from registry.words import DutyDays, Role, TurnUnit

_CODES = _("Codes of contacts, in turn, with commas between; a + b are on duty together.")


def _known(text: str) -> tuple[Turn, ...]:
    """Return the turns of a text.  Raises ValidationError when it names what is no contact."""
    try:
        turns = turns_of(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None
    codes = {code for turn in turns for code in turn}
    unknown = codes - set(Contact.objects.filter(code__in=codes).values_list("code", flat=True))
    if unknown:
        raise ValidationError(
            _("There is no contact %(codes)s."), params={"codes": ", ".join(sorted(unknown))}
        )
    return turns


class Rota(models.Model):
    """Who has a role now; without a rota everybody with the role has it always."""

    code = models.CharField(_("code"), max_length=64, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=100)
    role = models.CharField(_("role"), max_length=32, choices=choices(Role))
    enterprise = models.ForeignKey(
        Enterprise,
        verbose_name=_("enterprise"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="rotas",
    )
    area = models.ForeignKey(
        Area, verbose_name=_("area"), null=True, blank=True, on_delete=models.PROTECT, related_name="rotas"
    )
    zone = models.CharField(_("time zone"), max_length=64, default="Asia/Shanghai")
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("rota")
        verbose_name_plural = _("rotas")
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(enterprise__isnull=True) ^ models.Q(area__isnull=True),
                name="registry_rota_enterprise_or_area",
                violation_error_message=_("A rota belongs to an enterprise or to an area, not to both."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"

    def clean(self) -> None:
        """A zone that does not exist would stop the whole service."""
        if self.zone not in available_timezones():
            raise ValidationError({"zone": _("Write a time zone like Asia/Shanghai.")})


class RotaLayer(models.Model):
    """People in turn; of several layers that have somebody the one of the highest order counts."""

    rota = models.ForeignKey(Rota, verbose_name=_("rota"), on_delete=models.CASCADE, related_name="layers")
    order = models.PositiveSmallIntegerField(_("order"), default=0)
    name = models.CharField(_("name"), max_length=100, blank=True)
    start = models.DateField(_("first day"), help_text=_("A turn begins on it."))
    until = models.DateField(_("last day"), null=True, blank=True)
    every = models.CharField(_("turn"), max_length=8, choices=choices(TurnUnit), default=TurnUnit.WEEK)
    n = models.PositiveSmallIntegerField(_("length"), default=1, validators=[MinValueValidator(1)])
    begin = models.TimeField(_("from"), default=time(8))
    end = models.TimeField(
        _("to"), default=time(8), help_text=_("Not later than the beginning: the next day.")
    )
    days = models.CharField(_("days"), max_length=8, choices=choices(DutyDays), default=DutyDays.ALL)
    turns = models.CharField(_("people"), max_length=2000, help_text=_CODES)

    class Meta:
        verbose_name = _("layer")
        verbose_name_plural = _("layers")
        ordering = ("rota", "order", "id")
        constraints = (
            models.CheckConstraint(condition=models.Q(n__gte=1), name="registry_rotalayer_length"),
        )

    def __str__(self) -> str:
        return self.name or self.turns

    def clean(self) -> None:
        """Every code is a contact."""
        _known(self.turns)


class RotaOverride(models.Model):
    """Somebody else for a while; a swap is two of these."""

    rota = models.ForeignKey(Rota, verbose_name=_("rota"), on_delete=models.CASCADE, related_name="overrides")
    begin = models.DateTimeField(_("from"))
    end = models.DateTimeField(_("to"))
    who = models.CharField(
        _("people"), max_length=500, help_text=_("Codes of contacts; a + b are on duty together.")
    )
    instead_of = models.CharField(
        _("instead of"), max_length=64, blank=True, help_text=_("Empty: instead of everybody.")
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    # From which calendar it came, so that reading the calendar again replaces it; "" = entered by hand.
    source = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        verbose_name = _("override")
        verbose_name_plural = _("overrides")
        ordering = ("rota", "begin", "id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(end__gt=models.F("begin")),
                name="registry_rotaoverride_ends",
                violation_error_message=_("An override ends after it begins."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.who} {self.begin:%Y-%m-%d %H:%M}"

    def clean(self) -> None:
        """One turn of contacts."""
        if len(_known(self.who)) != 1:
            raise ValidationError({"who": _("Write a + b for two who are on duty together.")})
