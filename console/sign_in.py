"""Signing in: a password is asked for only so often, whoever asks and however."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

# Many people may sit behind one address, and one account has few addresses.
_ADDRESS_FACTOR, _ACCOUNT_FACTOR = 5, 20
TOO_MANY = "密码错误次数过多，请几分钟后再试。 Too many wrong passwords; try again in a few minutes."


def _keys(request: HttpRequest | None, username: str) -> dict[str, int]:
    """Return what is counted, and how many wrong passwords each may have."""
    address = str(request.META.get("REMOTE_ADDR", "")) if request else ""
    most = settings.SIGN_IN_ATTEMPTS
    limits = {f"{address}\0{username}": most, f"{address}\0": most * _ADDRESS_FACTOR}
    limits[f"\0{username}"] = most * _ACCOUNT_FACTOR
    return {f"sign-in-{hashlib.sha256(key.encode()).hexdigest()}": n for key, n in limits.items()}


def blocked(request: HttpRequest | None, username: str) -> bool:
    """Return whether nothing is asked for the moment."""
    return any((cache.get(key) or 0) >= most for key, most in _keys(request, username).items())


class Backend(ModelBackend):
    """Django's accounts, behind the count of wrong passwords."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **more: Any,
    ) -> Any:
        """Return the user, None for a wrong password; raises PermissionDenied when there were too many."""
        name = username or str(more.get("username", ""))
        if blocked(request, name):
            raise PermissionDenied
        user = super().authenticate(request, username=username, password=password, **more)
        if user is None and password is not None:
            for key in _keys(request, name):
                if not cache.add(key, 1, settings.SIGN_IN_WINDOW_S):
                    cache.incr(key)
        return user


class Form(AuthenticationForm):
    """Says when waiting helps more than another try."""

    @property
    def wait(self) -> str:
        """What to tell somebody whose password is not asked for, "" = it is."""
        return TOO_MANY if blocked(self.request, self.cleaned_data.get("username") or "") else ""
