"""Benchmark reports as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from service.scoring.nab_run import NabReport
from service.scoring.peers import Peer
from service.scoring.skab_run import SkabReport

_SHORT = {"standard": "standard", "reward_low_FP_rate": "low FP", "reward_low_FN_rate": "low FN"}


def print_nab(report: NabReport, peers: Sequence[Peer], console: Console) -> None:
    """Print the figures by profile, by folder, and beside the peers."""
    console.print(
        f"NAB protocol v1.1: {report.files} files, {report.rows:,} rows, {report.ours[0].windows} windows"
    )
    table = _table("", *(_SHORT[result.profile] for result in report.ours))
    rows = (
        ("threshold optimised on these files, as for all peers", "optimised"),
        ("threshold from the other folders (LOFO)", "lofo"),
        ("threshold from the other files", "lo1"),
        ("the detector's own threshold", "fixed"),
    )
    for title, name in rows:
        table.add_row(title, *(f"{getattr(result, name):.1f}" for result in report.ours))
    clock = [f"{result.fixed:.1f}" for result in report.blind_clock]
    table.add_row("a blind clock: flags a row every 5 % of a file", *clock)
    table.add_row("windows caught, optimised", *(f"{r.caught}/{r.windows}" for r in report.ours))
    table.add_row("rows flagged, outside windows", *(f"{r.flags}, {r.false_flags}" for r in report.ours))
    console.print(table)
    first = report.ours[0]
    console.print(
        f"LOFO by folder, {first.profile}: "
        + ", ".join(f"{name} {score:.0f}" for name, score in first.folders.items())
    )
    if len(report.ours) == 3:
        ours = Peer("this detector", (), here=tuple(result.optimised for result in report.ours))
        _print_peers([*peers, ours], ("std", "low FP", "low FN"), console, digits=(1, 1, 1))


def print_skab(report: SkabReport, peers: Sequence[Peer], console: Console) -> None:
    """Print outliers, change points, and the peers."""
    console.print(f"SKAB v0.9: {report.files} labelled files, {report.rows:,} scored rows")
    table = _table("outliers", "F1", "FAR %", "MAR %")
    for title, found in (
        ("this detector", report.ours),
        ("a blind clock: toggles every 240 rows", report.blind_clock),
    ):
        table.add_row(title, f"{found.f1:.3f}", f"{found.far:.1f}", f"{found.mar:.1f}")
        if found is report.ours:
            for group, (f1, far, mar) in found.by_group.items():
                table.add_row(f"  {group}", f"{f1:.3f}", f"{far:.1f}", f"{mar:.1f}")
    console.print(table)
    table = _table(
        "change points (turns of the alarm)", *(c.profile for c in report.ours.changes), "missed", "false"
    )
    for title, found in (("this detector", report.ours), ("the clock", report.blind_clock)):
        last = found.changes[-1]
        scores = [f"{change.score:.1f}" for change in found.changes]
        table.add_row(title, *scores, f"{last.missed} of {last.windows}", str(last.false_alarms))
    console.print(table)
    ours = Peer("this detector", (), here=(report.ours.f1, report.ours.far, report.ours.mar))
    _print_peers([*peers, ours], ("F1", "FAR %", "MAR %"), console, digits=(3, 1, 1))


def _print_peers(
    peers: Sequence[Peer], names: Sequence[str], console: Console, *, digits: Sequence[int]
) -> None:
    """Print what peers reached, published and on these files."""
    table = _table("* was told more than the past", *names, "│", *names)
    for peer in sorted(peers, key=lambda peer: -(peer.here or peer.figures)[0]):
        published, here = (
            [f"{x:.{n}f}" for x, n in zip(figures, digits, strict=True)] if figures else [""] * len(names)
            for figures in (peer.figures, peer.here)
        )
        table.add_row(peer.name + ("*" if peer.told else ""), *published, "│", *here)
    console.print(table)
    console.print("Left: published, for the whole corpus. Right: on these files.")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for n, column in enumerate(columns):
        table.add_column(column, justify="right" if n else "left", no_wrap=True)
    return table
