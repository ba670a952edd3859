"""``crossaisle refit``: what it prints, how it ends, on a schedule, and what it refuses."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crossaisle.cli import refit as command
from crossaisle.cli.main import run
from crossaisle.cli.refit import seconds_of, times
from crossaisle.errors import OutputError, RequestError
from crossaisle.live import refit as live
from crossaisle.live.refit import Outcome
from crossaisle.records import Event, Records

OUT = Outcome("swapped in", "v0002 serves in place of v0001: better", "v0002", {"from": "v0001", "low": 0.1})


@pytest.fixture
def store(tmp_path: Path) -> str:
    """As a service has made it."""
    url = f"sqlite:///{tmp_path}/events.db"
    Records.open(url).close()
    return url


def outcomes(monkeypatch: pytest.MonkeyPatch, *results: Any) -> list[dict[str, Any]]:
    """Each refit gives the next of these, raised where it is an error; what each was asked."""
    asked, left = list[dict[str, Any]](), iter(results)

    def refit(model: str, records: Records, **options: Any) -> Outcome:
        asked.append({"model": model, **options})
        result = next(left)
        if isinstance(result, BaseException):
            raise result
        if callable(result):
            result()
            return OUT
        return result  # type: ignore[no-any-return]

    monkeypatch.setattr(live, "refit", refit)
    return asked


def test_a_shop_from_fit_to_rollback(shop: Path, store: str, capfd: pytest.CaptureFixture[str]) -> None:
    small = ["model.dim=32", "model.heads=2", "model.senses=id,words", "train.epochs=1", "blend.parts=", "refit.least=5", "refit.margin=1"]
    sets = [part for s in small for part in ("--set", s)]
    assert (
        run(["fit", "--interactions", "interactions.csv", "--items", "items.csv", "--out", "m", "--preset", "quick", *sets, "--json"]) == 0
    )
    records = Records.open(store)
    records.add_events([Event(f"{u}/{i}", f"u{u}", f"b{i}", "purchase", 1.72e9 + i) for u in range(1, 20) for i in range(1, 13)], 0.0)
    records.close()
    capfd.readouterr()
    assert run(["refit", "m", "--store", store]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("v0002 serves in place of v0001: better: N@10 ")
    assert out.count("\n") == 1
    assert err == ""
    assert run(["refit", "m", "--store", store, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["line"] == "nothing new since v0002: no refit; v0002 stays"
    assert run(["refit", "m", "--store", store, "--versions", "0"]) == 2
    assert "setting versions is 0; expected a number of at least 1" in capfd.readouterr().err
    assert run(["refit", "m", "--rollback"]) == 0
    assert capfd.readouterr().out == "v0001 serves again in place of v0002\n"
    assert run(["refit", "m", "--rollback"]) == 2
    assert "error: model m has no version before v0001" in capfd.readouterr().err
    assert run(["info", "m", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["version"] == "v0001"
    assert run(["refit", "m", "--store", store, "--from", "v0002", "--set", "refit.epochs=1", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["start"] == "v0002"
    assert run(["refit", "m"]) == 2  # the service ran on another store: to make one beside the model would hide that for ever
    assert f"the store sqlite:///{Path('m').absolute()}.events.db does not exist" in capfd.readouterr().err
    assert not Path("m.events.db").exists()


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["m"], "no model at m"),
        (
            ["m", "--rollback", "--every", "1h"],
            "--rollback beside --every, --set, --from, --media or --versions; expected --rollback alone",
        ),
        (["m", "--rollback", "--versions", "3"], "--rollback beside --every"),
        (["m", "--rollback", "--from", "v0001"], "--rollback beside --every"),
        (["nowhere", "--store", "STORE"], "no model at nowhere"),
        (["m", "--store", "STORE", "--every", "soon"], "--every 'soon'; expected a number and s, m, h or d"),
        (["m", "--store", "mysql://x"], "a store of kind 'mysql'"),
        (
            ["m", "--store", "sqlite:///typo.db"],
            "the store sqlite:///typo.db does not exist; expected the store that the service writes; next: ",
        ),
    ],
)
def test_misuse_is_one_line(argv: list[str], line: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["refit", *[store if a == "STORE" else a for a in argv]]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: " + line)
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["events.db"]  # nothing was made


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "0.5s", "1 week", "1h30m"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(RequestError, match="a number and s, m, h or d"):
        seconds_of(text)


def test_times_as_people_write_them() -> None:
    assert [seconds_of(t) for t in ("90s", " 30 m", "24h", "7d", "1.5m")] == [90, 1800, 86_400, 604_800, 90]


def test_a_schedule_does_not_drift_and_leaves_out_what_a_long_run_missed() -> None:
    clock = iter([0.0, 0.4, 10.3, 35.0, 39.999, 40.0])
    assert list(itertools.islice(times(10.0, lambda: next(clock)), 6)) == [0.0, 10.0, 20.0, 40.0, 40.0, 50.0]


def test_every_goes_on_after_an_error_until_sigterm(store: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "seconds_of", lambda text: 0.01)
    busy = OutputError("another run is writing m", "a folder of one's own", "wait")
    asked = outcomes(monkeypatch, OUT, busy, lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert run(["refit", "m", "--store", store, "--every", "24h", "--set", "refit.epochs=3", "--versions", "7"]) == 0
    out, err = capfd.readouterr()
    assert len(asked) == 3
    assert asked[0]["settings"] == {"refit.epochs": "3", "refit.versions": "7"}
    assert out == f"{OUT.line}\n" * 2
    assert err == f"error: {busy}\nstopped by SIGTERM; the model in service stays\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_every_ends_at_once_where_the_first_run_fails(
    store: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    outcomes(monkeypatch, OutputError("another run is writing m", "another", "wait"))
    assert run(["refit", "m", "--store", store, "--every", "1h"]) == 2
    assert capfd.readouterr().err.startswith("error: another run is writing m")


def test_sigterm_while_it_waits(store: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def later() -> None:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()

    outcomes(monkeypatch, later)
    began = time.monotonic()
    assert run(["refit", "m", "--store", store, "--every", "24h", "--json"]) == 0
    assert time.monotonic() - began < 60  # and not a day
    out, err = capfd.readouterr()
    assert json.loads(out) == {"what": "swapped in", "version": "v0002", "line": OUT.line, "from": "v0001", "low": 0.1}
    assert err == "stopped by SIGTERM; the model in service stays\n"


def test_sigterm_inside_a_training(store: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    seen = list[int]()

    @contextmanager
    def bar(quiet: bool) -> Iterator[Any]:
        yield lambda stage, done, total, note: seen.append(done)

    def refit(model: str, records: Records, *, progress: Any, **options: Any) -> Outcome:
        for step in range(5):
            if step == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            progress("training on", step, 5, "")
        return OUT

    monkeypatch.setattr(command, "progress_bar", bar)
    monkeypatch.setattr(live, "refit", refit)
    assert run(["refit", "m", "--store", store]) == 0
    assert seen == [0, 1]
    assert capfd.readouterr() == ("", "stopped by SIGTERM; the model in service stays\n")


def test_outside_the_main_thread_no_signal_is_listened_to(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes(monkeypatch, OUT)
    codes = list[int]()
    thread = threading.Thread(target=lambda: codes.append(run(["refit", "m", "--store", store])))
    thread.start()
    thread.join(60)
    assert codes == [0]
