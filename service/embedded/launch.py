"""Become somebody else, tie one's life to the parent's, and turn into a program.

Run as a script by `service.embedded.process`, with the standard library only: after the change of user nothing
more can be imported when the interpreter lies below a folder that the user cannot enter.

    python -I -S launch.py '{"parent": 4711, "death_signal": 2, "uid": 65534, "gid": 65534,
                             "capability": "dac_read_search", "folder": "/root/x/postgres"}' PROGRAM ARGUMENT...

Exit codes before the program runs: 121 not permitted to become the user, 122 the folder cannot be entered,
123 the capability cannot be had, 124 the program cannot be run, 125 the parent is gone.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

NOT_PERMITTED, NO_FOLDER, NO_CAPABILITY, NO_PROGRAM, NO_PARENT = 121, 122, 123, 124, 125
CAPABILITIES = {"dac_override": 1, "dac_read_search": 2}

# <linux/prctl.h>, <linux/capability.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAPABILITY_VERSION_3 = 0x20080522


def become(uid: int, gid: int, capability: str) -> None:
    """Change to the user for good, keeping nothing of root but the one named capability ("" = none)."""
    libc = ctypes.CDLL(None, use_errno=True) if capability else None
    # Without this bit access(2) would ignore the capability, and PostgreSQL asks it about its own program.
    if libc and libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0):
        sys.exit(NO_CAPABILITY)
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except PermissionError:
        sys.exit(NOT_PERMITTED)
    if libc:
        _keep(libc, CAPABILITIES[capability])


def _keep(libc: ctypes.CDLL, bit: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Two blocks of 32 capabilities each, (effective, permitted, inheritable).
    data = (ctypes.c_uint32 * 6)(1 << bit, 1 << bit, 1 << bit, 0, 0, 0)
    if libc.capset(header, data) or libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, bit, 0, 0):
        sys.exit(NO_CAPABILITY)


def die_with(parent: int, death_signal: int) -> None:
    """Ask Linux to send us the signal when the parent ends; elsewhere the parent alone sees to it."""
    if not sys.platform.startswith("linux"):
        return
    # After the change of user: the kernel forgets the wish when credentials change.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(NO_PARENT)


def main(wish: dict[str, Any], command: list[str]) -> None:
    if "uid" in wish:
        become(wish["uid"], wish["gid"], wish.get("capability", ""))
    if folder := wish.get("folder"):
        try:
            os.chdir(folder)
        except OSError:
            sys.exit(NO_FOLDER)
    if wish.get("death_signal"):
        die_with(wish["parent"], wish["death_signal"])
    try:
        os.execv(command[0], command)  # noqa: S606 - the point of this file
    except OSError as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
        sys.exit(NO_PROGRAM)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
