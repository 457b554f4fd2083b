"""Django's settings.

Our configuration (service/config.py) decides; it reaches Django through these variables, because Django wants
a module, and mypy and the tests import it too.

FENGSUI_DATABASE__DSN   libpq connection string of the database
FENGSUI_CONSOLE__SECRET_KEY   signs sessions and links; a throw-away key when absent: nobody stays signed in
FENGSUI_CONSOLE__HOSTS  comma-separated names under which the console is reached
FENGSUI_ALERTS__SHORT_CLOSE   plant alerts up to this level are closed without feedback and review (yellow)
FENGSUI_CONSOLE__SILENT_AFTER_S   a gateway is shown as silent after this (180 s, a default of ours)
FENGSUI_CONSOLE__SIGN_IN_ATTEMPTS, …SIGN_IN_WINDOW_S   wrong passwords per account or address, and in which time
"""

from __future__ import annotations

import os
import secrets
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from core.levels import Level

_LIBPQ_TO_DJANGO = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def _database(dsn: str) -> dict[str, Any]:
    """Return Django's DATABASES entry for a libpq connection string; other parameters go to OPTIONS."""
    parts = {key: value for key, value in conninfo_to_dict(dsn).items() if value is not None}
    entry: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "NAME": "", "OPTIONS": {}}
    for key, value in parts.items():
        if key in _LIBPQ_TO_DJANGO:
            entry[_LIBPQ_TO_DJANGO[key]] = str(value)
        else:
            entry["OPTIONS"][key] = value
    return entry


SECRET_KEY = os.environ.get("FENGSUI_CONSOLE__SECRET_KEY") or secrets.token_urlsafe(48)
DEBUG = False
ALLOWED_HOSTS = os.environ.get("FENGSUI_CONSOLE__HOSTS", "localhost,127.0.0.1,[::1]").split(",")
DATABASES = {"default": _database(os.environ.get("FENGSUI_DATABASE__DSN", "dbname=fengsui"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    # Ours first: where Django has a translation of the same word, ours holds.
    "registry",
    "storage",
    "console.apps.ConsoleConfig",
    "console.apps.SiteConfig",  # django.contrib.admin, for those who may see everything
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "ninja",  # its copy of Swagger UI: /api/docs works without the internet
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "console.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = ["console.sign_in.Backend"]
ROOT_URLCONF = "console.urls"
ASGI_APPLICATION = "console.asgi.application"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Behind a proxy that speaks https to the phones and http to us, Origin says https.
CSRF_TRUSTED_ORIGINS = [
    f"https://{'*' if host[:1] == '.' else ''}{host}" for host in ALLOWED_HOSTS if host != "*"
]
SHORT_CLOSE = Level.parse(os.environ.get("FENGSUI_ALERTS__SHORT_CLOSE") or "yellow")
SILENT_AFTER_S = float(os.environ.get("FENGSUI_CONSOLE__SILENT_AFTER_S") or 180)
SIGN_IN_ATTEMPTS = int(os.environ.get("FENGSUI_CONSOLE__SIGN_IN_ATTEMPTS") or 10)
SIGN_IN_WINDOW_S = float(os.environ.get("FENGSUI_CONSOLE__SIGN_IN_WINDOW_S") or 300)
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
