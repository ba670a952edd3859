"""``crossaisle refit``: the model in service learns what came since, once or on a schedule. Imports: options, progress, show."""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from crossaisle.cli import options
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.show import print_json, print_notes
from crossaisle.contracts import Progress
from crossaisle.errors import CrossAisleError, RequestError

if TYPE_CHECKING:
    from crossaisle.live.refit import Outcome

__all__ = ["refit", "seconds_of", "times"]

_PATIENCE = 30.0
"""Seconds that a call to the store may take: nobody waits for a refit as somebody does for a list."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class _Stopped(Exception):
    """SIGTERM came; raised between two steps of a training."""


class _Stop:
    """Set by a signal handler, which may take no lock; looked at by whoever works or waits."""

    asked = False

    def wait(self, seconds: float) -> None:
        """Sleep; raise as soon as somebody asked."""
        until = time.monotonic() + seconds
        while True:
            if self.asked:
                raise _Stopped
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.2))

    def ask(self, *_: object) -> None:
        """From now on."""
        self.asked = True


def refit(
    model: options.Model,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="The service's store: sqlite:///FILE or postgresql+psycopg://...; as serve has it."),
    ] = None,
    every: Annotated[
        str | None, typer.Option("--every", metavar="TIME", help="Go on for ever, once in this time: 90s, 30m, 24h, 7d. SIGTERM ends it.")
    ] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Let the version before serve again; trains nothing.")] = False,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="VERSION", help="Begin with the weights of this version, such as v0002, not those in service."),
    ] = None,
    media: options.Media = None,
    versions: Annotated[
        int | None,
        typer.Option(
            "--versions", metavar="N", help="So many versions stay in MODEL, the newest; 5 if not given. The same as refit.versions."
        ),
    ] = None,
    assignments: options.Set = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Train on from the model in service with what came since, and let the better one serve.

    The newest events are kept from the new model and asked of both; it takes over only if it is not worse, otherwise it is kept aside in
    MODEL/rejected. A server that runs on MODEL takes the new version up by itself. Old versions are taken away, never the one in service or
    the one that --rollback brings back. See: crossaisle settings refit.
    """
    if rollback:
        if every is not None or assignments or start is not None or media is not None or versions is not None:
            raise RequestError("--rollback beside --every, --set, --from, --media or --versions", "--rollback alone", "run them apart")
        from crossaisle.live.refit import rollback as roll_back

        _show(roll_back(model), as_json)
        return
    period, chosen = None if every is None else seconds_of(every), options.parse_settings(assignments)
    if versions is not None:
        chosen = {**chosen, "refit.versions": str(versions)}
    from crossaisle.live.refit import refit as refit_once
    from crossaisle.records import Records, RecordsSettings
    from crossaisle.store import open_version

    if store is None:
        open_version(model)  # of a mistyped model this is to be said, and not that it has no store beside it
    # a store that is not there holds nothing: made here, it would let every refit of a mistyped one end well and learn nothing
    records = Records.open(store or options.store_of(model), RecordsSettings(patience=_PATIENCE), create=False)
    stop = _Stop()
    try:
        with _ends_on_sigterm(stop), progress_bar(quiet=as_json) as drawn:

            def once() -> Outcome:
                watched = _watched(drawn, stop)
                return refit_once(model, records, settings=chosen, start=start, device=device, media=media, progress=watched)

            if period is None:
                _show(once(), as_json)
            else:
                _for_ever(once, period, stop, as_json)
    except _Stopped:
        print("stopped by SIGTERM; the model in service stays", file=sys.stderr)
    finally:
        records.close()


def seconds_of(text: str) -> float:
    """A time as people write it, in seconds.

    Raises
    ------
    RequestError
        If it is none, or shorter than a second.

    Examples
    --------
    >>> seconds_of("24h"), seconds_of("1.5m")
    (86400.0, 90.0)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text)
    if found is None or float(found[1]) * _UNITS[found[2]] < 1:
        raise RequestError(f"--every {text[:40]!r}", "a number and s, m, h or d, at least 1s", "write --every 24h")
    return float(found[1]) * _UNITS[found[2]]


def times(period: float, now: Callable[[], float] = time.monotonic) -> Iterator[float]:
    """The moments of a schedule that does not drift: now, and every ``period`` seconds from then on; what a long run missed is left out.

    Examples
    --------
    >>> clock = iter([100.0, 103.0, 131.0])
    >>> moments = times(10.0, lambda: next(clock))
    >>> [next(moments) for _ in range(3)]
    [100.0, 110.0, 140.0]
    """
    first = now()
    yield first
    while True:
        yield first + period * (int((now() - first) // period) + 1)


def _for_ever(once: Callable[[], Outcome], period: float, stop: _Stop, as_json: bool) -> None:
    """The first run may fail as a single one does; later ones say why they failed, and the next comes in its time."""
    for number, moment in enumerate(times(period)):
        stop.wait(moment - time.monotonic())
        try:
            _show(once(), as_json)
        except CrossAisleError as error:
            if number == 0:
                raise
            print(f"error: {error}", file=sys.stderr)
        sys.stdout.flush()


@contextmanager
def _ends_on_sigterm(stop: _Stop) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there can signals be listened to
        yield
        return
    before = signal.signal(signal.SIGTERM, stop.ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watched(drawn: Progress, stop: _Stop) -> Progress:
    """Progress that ends the run, between two steps, once it is to stop."""

    def progress(stage: str, done: int, total: int, note: str) -> None:
        stop.wait(0.0)
        drawn(stage, done, total, note)

    return progress


def _show(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        print_json({"what": outcome.what, "version": outcome.version, "line": outcome.line, **outcome.facts})
    else:
        print(outcome.line)
        print_notes(outcome.notes)
