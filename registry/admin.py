"""The registry's pages in the console: lists to search and filter, things with what belongs to them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from registry.models import (
    Area,
    Contact,
    ContactAddress,
    Credential,
    Device,
    DeviceParameter,
    Enterprise,
    Fact,
    Gateway,
    Limit,
    Rota,
    RotaLayer,
    RotaOverride,
    Series,
)
from registry.words import Side

# django-stubs has these as generics, Django 5.2 does not yet.
for _generic in (admin.ModelAdmin, admin.TabularInline):
    _generic.__class_getitem__ = classmethod(lambda cls, _model: cls)  # type: ignore[union-attr]

admin.site.site_header = _("Fengsui registry")
admin.site.site_title = _("Fengsui")
admin.site.index_title = _("Registry")

# So that a row of a table fits a screen.
_NARROW: dict[Any, Any] = {
    models.CharField: {"widget": forms.TextInput(attrs={"style": "width: 11em"})},
    models.FloatField: {"widget": forms.NumberInput(attrs={"style": "width: 6em", "step": "any"})},
}


@admin.action(description=_("Take out of service (keeps all data)"))
def retire(_admin: admin.ModelAdmin[Any], _request: HttpRequest, rows: QuerySet[Any]) -> None:
    rows.update(active=False)


@admin.action(description=_("Put into service"))
def revive(_admin: admin.ModelAdmin[Any], _request: HttpRequest, rows: QuerySet[Any]) -> None:
    rows.update(active=True)


@admin.register(Area)
class AreaAdmin(admin.ModelAdmin[Area]):
    list_display = ("code", "name", "level", "parent")
    list_filter = ("level",)
    search_fields = ("code", "name")
    autocomplete_fields = ("parent",)
    list_select_related = ("parent",)


class GatewayInline(admin.TabularInline[Gateway, Enterprise]):
    model = Gateway
    extra = 0
    show_change_link = True


class EnterpriseContactInline(admin.TabularInline[Contact, Enterprise]):
    model = Contact
    fields = ("code", "name", "role", "active")
    extra = 0
    show_change_link = True


@admin.register(Enterprise)
class EnterpriseAdmin(admin.ModelAdmin[Enterprise]):
    list_display = ("code", "name", "area", "industry", "grade", "dust_kind", "dust_workers", "active")
    list_filter = ("active", "grade", "dust_kind", "sector", "industry")
    search_fields = ("code", "name", "name_en", "address")
    autocomplete_fields = ("area",)
    list_select_related = ("area",)
    inlines = (GatewayInline, EnterpriseContactInline)
    actions = (retire, revive)
    fieldsets = (
        (None, {"fields": ("code", ("name", "name_en"), "area", "address", "active")}),
        (_("Supervision"), {"fields": (("industry", "category"), ("sector", "department"), "grade")}),
        (_("Dust"), {"fields": (("dust_kind", "dust_workers"),)}),
        (_("Position"), {"fields": (("longitude", "latitude"),)}),
    )


class AddressInline(admin.TabularInline[ContactAddress, Contact]):
    model = ContactAddress
    extra = 0


@admin.register(Contact)
class ContactAdmin(admin.ModelAdmin[Contact]):
    list_display = ("code", "name", "role", "enterprise", "area", "channels", "active")
    list_filter = ("active", "role", "addresses__channel")
    search_fields = ("code", "name", "enterprise__name", "area__name")
    autocomplete_fields = ("enterprise", "area")
    list_select_related = ("enterprise", "area")
    inlines = (AddressInline,)
    actions = (retire, revive)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        return super().get_queryset(request).prefetch_related("addresses")

    @admin.display(description=_("channels"))
    def channels(self, contact: Contact) -> str:
        return " → ".join(way.channel for way in contact.addresses.all()) or "—"


class RotaLayerInline(admin.TabularInline[RotaLayer, Rota]):
    model = RotaLayer
    extra = 0


class RotaOverrideInline(admin.TabularInline[RotaOverride, Rota]):
    model = RotaOverride
    extra = 0


@admin.register(Rota)
class RotaAdmin(admin.ModelAdmin[Rota]):
    list_display = ("code", "name", "role", "enterprise", "area", "active")
    list_filter = ("active", "role")
    search_fields = ("code", "name", "enterprise__name", "area__name")
    autocomplete_fields = ("enterprise", "area")
    list_select_related = ("enterprise", "area")
    inlines = (RotaLayerInline, RotaOverrideInline)
    actions = (retire, revive)


class CredentialInline(admin.TabularInline[Credential, Gateway]):
    """To look at: secrets are shown once, by `fengsui gateway add`, and ended by `fengsui gateway revoke`."""

    model = Credential
    fields = readonly_fields = ("serial", "created", "expires", "revoked", "note")
    extra = 0
    can_delete = False

    def has_add_permission(self, _request: HttpRequest, _gateway: Gateway | None = None) -> bool:
        return False


class DeviceInline(admin.TabularInline[Device, Gateway]):
    model = Device
    fields = ("code", "name_zh", "place", "profile", "active")
    extra = 0
    show_change_link = True


@admin.register(Gateway)
class GatewayAdmin(admin.ModelAdmin[Gateway]):
    list_display = ("code", "enterprise", "zone", "lenient", "messages_per_s", "shared_topics", "active")
    list_filter = ("active", "lenient", "shared_topics")
    search_fields = ("code", "enterprise__code", "enterprise__name")
    autocomplete_fields = ("enterprise",)
    list_select_related = ("enterprise",)
    inlines = (CredentialInline, DeviceInline)
    actions = (retire, revive)


class DeviceParameterInline(admin.TabularInline[DeviceParameter, Device]):
    model = DeviceParameter
    formfield_overrides = _NARROW
    extra = 0


class SeriesInline(admin.TabularInline[Series, Device]):
    model = Series
    formfield_overrides = _NARROW
    fields = ("signal", "name_zh", "unit", "period_s", "mandatory", "active")
    extra = 0
    show_change_link = True
    can_delete = False


@admin.register(Device)
class DeviceAdmin(admin.ModelAdmin[Device]):
    list_display = ("code", "name_zh", "gateway", "place", "profile", "active")
    list_filter = ("active", "profile")
    search_fields = ("code", "name_zh", "name_en", "place", "gateway__code", "gateway__enterprise__name")
    autocomplete_fields = ("gateway",)
    list_select_related = ("gateway",)
    inlines = (SeriesInline, DeviceParameterInline)
    actions = (retire, revive)


@admin.register(Fact)
class FactAdmin(admin.ModelAdmin[Fact]):
    list_display = (
        "kind",
        "enterprise",
        "device",
        "valid_from",
        "valid_to",
        "daily_from",
        "daily_to",
        "reference",
    )
    list_filter = ("kind",)
    search_fields = ("reference", "enterprise__code", "enterprise__name", "device__code", "device__name_zh")
    autocomplete_fields = ("enterprise", "device")
    list_select_related = ("enterprise", "device")
    date_hierarchy = "valid_from"


class LimitInline(admin.TabularInline[Limit, Series]):
    model = Limit
    formfield_overrides = _NARROW
    extra = 0


@admin.register(Series)
class SeriesAdmin(admin.ModelAdmin[Series]):
    list_display = ("id", "device", "name_zh", "steps", "unit", "period_s", "mandatory", "active")
    list_display_links = ("id", "name_zh")
    list_filter = ("active", "mandatory", "device__profile", "signal")
    search_fields = ("signal", "name_zh", "device__code", "device__name_zh", "device__gateway__code")
    autocomplete_fields = ("device",)
    list_select_related = ("device",)
    inlines = (LimitInline,)
    actions = (retire, revive)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Series]:
        return super().get_queryset(request).prefetch_related("limits")

    def has_delete_permission(self, _request: HttpRequest, _series: Series | None = None) -> bool:
        """Samples are kept under its key: it is retired instead, and the database would refuse too."""
        return False

    @admin.display(description=_("limits"))
    def steps(self, series: Series) -> str:
        steps = (
            f"{limit.get_level_display()}{'>' if limit.side == Side.HIGH else '<'}{limit.limit:g}"
            for limit in series.limits.all()
        )
        return " ".join(steps) or "—"
