"""Areas: the tree that inspectors are responsible for."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models.choices import CODE, choices
from registry.words import AreaLevel


class Area(models.Model):
    """One administrative area; `code` is the official one, or any that is unique."""

    code = models.CharField(_("code"), max_length=32, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=100)
    level = models.CharField(_("level"), max_length=16, choices=choices(AreaLevel))
    parent = models.ForeignKey(
        "self",
        verbose_name=_("belongs to"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
    )

    class Meta:
        verbose_name = _("area")
        verbose_name_plural = _("areas")
        ordering = ("code",)

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"

    def clean(self) -> None:
        """Keep the tree a tree: whatever lies above is of a higher level."""
        if self.parent and AreaLevel(self.parent.level).depth >= AreaLevel(self.level).depth:
            raise ValidationError({"parent": _("An area lies below one of a higher level.")})
