"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="TOML file. Without it: FENGSUI_CONFIG, a running `fengsui up`, fengsui.toml, defaults.",
    ),
]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="FOLDER",
        envvar="FENGSUI_DATA",
        help="Folder in which `fengsui up` keeps everything.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]
DEFAULT_DATA = Path(".fengsui")
