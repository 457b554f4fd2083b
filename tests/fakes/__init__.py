"""Fake providers that misbehave as the real ones do; only what costs money or needs an account is faked."""
