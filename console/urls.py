"""Every address of the console."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, URLResolver, include, path, re_path

from console import health, pages, phone
from console.api import api
from console.sign_in import Form

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.home, name="home"),
    path("closed/", pages.closed, name="closed"),
    # Links in messages come without the slash.
    re_path(r"^alerts/(?P<alert_id>[A-Za-z0-9-]{1,64})/?$", pages.alert, name="alert"),
    # The same for whoever got the message, without an account (alerts/link.py).
    re_path(
        r"^a/(?P<alert_id>[A-Za-z0-9-]{1,64})/(?P<recipient>[^/]{1,64})/(?P<until>[0-9a-f]{1,12})/(?P<mac>[\w-]{1,64})$",
        phone.answer,
        name="answer",
    ),
    path("alerts/<str:alert_id>/ask/", pages.ask, name="ask"),
    path(
        "login/",
        LoginView.as_view(template_name="console/login.html", authentication_form=Form),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", include("django.conf.urls.i18n")),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
