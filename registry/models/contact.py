"""Contacts: who can be reached, and how, in order of preference."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models.area import Area
from registry.models.choices import CODE, choices
from registry.models.enterprise import Enterprise
from registry.words import Role


class Contact(models.Model):
    """A person or a robot, answerable for one enterprise or for one area."""

    code = models.CharField(_("code"), max_length=64, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=100)
    role = models.CharField(_("role"), max_length=32, choices=choices(Role))
    enterprise = models.ForeignKey(
        Enterprise,
        verbose_name=_("enterprise"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="contacts",
    )
    area = models.ForeignKey(
        Area,
        verbose_name=_("area"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="contacts",
    )
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(enterprise__isnull=True) ^ models.Q(area__isnull=True),
                name="registry_contact_enterprise_or_area",
                violation_error_message=_("A contact belongs to an enterprise or to an area, not to both."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class ContactAddress(models.Model):
    """One way to reach a contact; the lowest order is tried first."""

    contact = models.ForeignKey(
        Contact, verbose_name=_("contact"), on_delete=models.CASCADE, related_name="addresses"
    )
    channel = models.CharField(_("channel"), max_length=32, validators=[RegexValidator(r"^[a-z][a-z0-9_]*$")])
    address = models.CharField(
        _("address"), max_length=500, blank=True, help_text=_("Empty: the one of the channel.")
    )
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("addresses")
        ordering = ("contact", "order", "channel")
        constraints = (
            models.UniqueConstraint(fields=("contact", "channel"), name="registry_contactaddress_once"),
        )

    def __str__(self) -> str:
        return self.channel
