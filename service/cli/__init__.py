"""The command `fengsui`.  Each module here is a noun: it has `app` (a typer.Typer) or `register(app)`.

Modules are found, not listed.  What is heavy they import inside functions: `fengsui --help` loads them all.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import typer

from core.errors import FengsuiError

_EXAMPLES = """\
Workplace-safety telemetry over MQTT: risky states are found while small, alerts climb until somebody answers.

[bold]Try it[/bold]
  fengsui up --demo       all of it, with a simulated town; Ctrl-C ends it
  fengsui status          what runs, what came in, what is open
  fengsui alerts list     the alerts nobody has closed

[bold]Run it[/bold]
  fengsui config example > fengsui.toml
  fengsui check-config fengsui.toml
  fengsui run pipeline --config fengsui.toml
  fengsui doctor --config fengsui.toml
"""


def application() -> typer.Typer:
    """Return the command line put together from the modules of this package."""
    app = typer.Typer(
        name="fengsui",
        help=_EXAMPLES,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for found in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
        if found.name == "__main__":
            continue
        module = importlib.import_module(f"{__name__}.{found.name}")
        if register := getattr(module, "register", None):
            register(app)
        elif isinstance(sub := getattr(module, "app", None), typer.Typer):
            app.add_typer(sub, name=found.name)
    return app


def main() -> None:
    """Run the command line; an error meant for people is one line, without a traceback, and exit code 2."""
    try:
        application()()
    except FengsuiError as error:
        from rich.console import Console

        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"fengsui: {error}", style="red", markup=False
        )
        sys.exit(2)
