"""The accounts' scopes in the administration, and who may enter it at all."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from console.models import Account
from console.scope import scope_of


class Site(admin.AdminSite):
    """The administration shows the whole registry, so it is for those who may see everything."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether somebody may enter."""
        return super().has_permission(request) and scope_of(request.user).enterprises is None


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("user", "kind", "enterprise", "area", "department", "may_act")
    list_filter = ("kind", "may_act")
    search_fields = ("user__username", "enterprise__name", "area__name", "department")
    autocomplete_fields = ("user", "enterprise", "area")
    list_select_related = ("user", "enterprise", "area")
