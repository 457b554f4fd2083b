"""Credentials: what a gateway shows the broker; only hashes are kept, several may be valid at once."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models.device import Gateway


class Credential(models.Model):
    """One user name and password of one gateway; made and ended by `registry.credentials`.

    The user name is GATEWAY~SERIAL: brokers keep one password per name, and rotation needs two for a while.
    """

    gateway = models.ForeignKey(
        Gateway, verbose_name=_("gateway"), on_delete=models.PROTECT, related_name="credentials"
    )
    serial = models.PositiveSmallIntegerField(_("serial number"))
    # NATS reads bcrypt, Mosquitto its own PBKDF2 text; neither can be made from the other (docs/adr/0006).
    bcrypt = models.CharField(max_length=60, editable=False)
    pbkdf2 = models.CharField(max_length=160, editable=False)
    created = models.DateTimeField(_("created"))
    expires = models.DateTimeField(_("valid until"), null=True, blank=True)
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        ordering = ("gateway", "serial")
        constraints = (
            models.UniqueConstraint(fields=("gateway", "serial"), name="registry_credential_once"),
        )

    def __str__(self) -> str:
        return f"{self.gateway.code}~{self.serial}"
