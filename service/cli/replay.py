"""`fengsui replay`: a recorded CSV over MQTT, as if its devices were measuring now or then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from service.cli.options import ConfigFile

if TYPE_CHECKING:
    from collections.abc import Collection

    from simulators.line import Line
    from simulators.recording import Recording, Survey
    from simulators.replay import At


def register(app: typer.Typer) -> None:
    app.command("replay")(replay)


def replay(
    file: Annotated[Path, typer.Argument(help="A CSV file, gzipped or not.")],
    *,
    mapping: Annotated[str, typer.Option(help="A mapping that is shipped, or a mapping file.")],
    speed: Annotated[float, typer.Option(help="Recorded seconds per second; inf = as fast as it goes.")] = 1,
    at: Annotated[
        str, typer.Option(help="original: recorded times; now: the last row is now; live: the first row is.")
    ] = "original",
    runs: Annotated[str, typer.Option(help="Only these runs: 1-5,7.")] = "",
    longest_wait: Annotated[float, typer.Option(help="A longer pause is cut to this, in seconds.")] = 10,
    registry: Annotated[
        bool, typer.Option("--registry", help="Print the town that the mapping needs, publish nothing.")
    ] = False,
    host: Annotated[str, typer.Option(help="The broker; without it, the configured one.")] = "",
    port: Annotated[int, typer.Option(help="Its port.")] = 0,
    config: ConfigFile = None,
) -> None:
    """Publish a recording over MQTT at QoS 1 (docs/simulators.md).

    fengsui replay FILE --mapping filter_clogging --registry > filter.toml
    fengsui registry import filter.toml
    fengsui replay FILE --mapping filter_clogging --at live
    """
    from simulators.mapping import find, load, town_of
    from simulators.recording import Recording
    from simulators.replay import At

    path = find(mapping)
    meaning = load(path)
    if registry:
        print(town_of(meaning, path).read_text("utf-8"), end="")
        return
    if speed <= 0:
        raise typer.BadParameter("--speed is more than 0")
    if at not in list(At):
        raise typer.BadParameter(f"--at is one of {', '.join(At)}")
    recording = Recording(file, meaning, numbers(runs))
    _publish(recording, At(at), speed=speed, longest_wait_s=longest_wait, host=host, port=port, config=config)


def numbers(runs: str) -> Collection[int] | None:
    """Return the runs of `1-5,7`; None for an empty text."""
    found: set[int] = set()
    try:
        for part in filter(None, runs.split(",")):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    except ValueError as error:
        raise typer.BadParameter(f"--runs {runs!r} is not of the form 1-5,7") from error
    return found or None


def _publish(
    recording: Recording,
    at: At,
    *,
    speed: float,
    longest_wait_s: float,
    host: str,
    port: int,
    config: Path | None,
) -> None:
    import asyncio

    from core.time import clock_ns
    from service.config import load
    from simulators.line import Line
    from simulators.replay import Pace, Publisher, shift_ns

    mqtt = load(config).mqtt
    line = Line(host or mqtt.host, port or mqtt.port, mqtt.username or None, mqtt.password or None)
    survey = recording.survey()
    shift = shift_ns(at, survey, speed=speed, now=clock_ns())
    with _Bar(recording, survey) as bar:
        publisher = Publisher(line, recording.mapping.gateway, shift, bar)
        asyncio.run(publisher.publish(recording.rows(), Pace(speed, longest_wait_s)))
    bar.summary(line)


class _Bar:
    """The progress bar: rows, event time, rate."""

    def __init__(self, recording: Recording, survey: Survey) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._survey = survey
        self._n_values = 0
        self._reason = ""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("{task.fields[time]} {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(
            recording.path.name, total=survey.n_rows, time="", rate="", start=True
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def told(self, n_rows: int, n_values: int, t: int) -> None:
        """Show what was acknowledged."""
        from core.time import local_text

        self._n_values += n_values
        rate = f"{self._n_values / max(self._progress.tasks[0].elapsed or 0.0, 0.001):,.0f}/s"
        self._progress.update(self._task, advance=n_rows, time=local_text(t), rate=rate)

    def trouble(self, reason: str) -> None:
        """Say why the line is down, once per reason."""
        if reason != self._reason:
            self._progress.console.print(f"line down, trying again: {reason}", markup=False)
        self._reason = reason

    def summary(self, line: Line) -> None:
        """Say what was done, in one line."""
        empty = f", {self._survey.n_empty} empty cells left out" if self._survey.n_empty else ""
        broker = f"{line.host}:{line.port}"
        print(f"{self._survey.n_rows} rows, {self._n_values} readings acknowledged by {broker}{empty}")
