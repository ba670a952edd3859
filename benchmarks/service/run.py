"""The service under load, and under attack: one JSON file for each kind. See README.md beside this file."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fuzz
import wrk

from crossaisle.client import Client

ALL = ("closed", "fresh", "paced", "overload", "intake", "items", "fuzz", "schema", "soak")
TICKS = os.sysconf("SC_CLK_TCK")


class Service:
    """``crossaisle serve`` as a process, with its memory and processor time."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        store = options.store or f"sqlite:///{folder / 'events.db'}"
        command = [sys.executable, "-m", "crossaisle", "serve", options.model, "--store", store, "--port", "0", *options.serve.split()]
        if options.fake:
            command = [sys.executable, str(Path(__file__).parents[2] / "tests" / "serve" / "serve_process.py"), "0"]
        self.log = folder / "log"
        begun = time.monotonic()
        with self.log.open("a") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(self.log.read_text())
        self.port = int(line) if options.fake else int(re.search(r":(\d+) ", line)[1])  # type: ignore[index]
        self.address = f"http://127.0.0.1:{self.port}"
        self.client = Client(self.address)
        while not self.client.ready():
            time.sleep(0.05)
        self.ready_seconds = time.monotonic() - begun

    def _processes(self) -> list[int]:
        kept = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False).stdout.split()
        return [self.process.pid, *map(int, kept)]

    def memory(self) -> int:
        """Bytes of all its processes, shared pages counted once (PSS)."""
        total = 0
        for pid in self._processes():
            found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(found[1]) * 1024 if found else 0
        return total

    def memory_of_each(self) -> list[dict[str, int]]:
        """Of each process, the first one first: bytes of its own, and bytes that it shares (or could: files that only it has mapped)."""
        out = []
        for pid in self._processes():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            kb = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
            own = kb["Anonymous"] - kb["LazyFree"]
            out.append({"own": own * 1024, "mapped": (kb["Rss"] - kb["Anonymous"]) * 1024})
        return out

    def processor(self) -> float:
        """Seconds of processor time of all its processes."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self._processes()]
        return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS

    def counted(self, name: str) -> float:
        """A number of its own metrics."""
        import urllib.request

        with urllib.request.urlopen(f"{self.address}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def stop(self) -> int:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


LENGTH = 20
"""Events of a history that comes along."""


def histories(service: Service, users: list[str]) -> list[list[str]]:
    """The newest events of people, two people's where one has too few."""
    rows = [[event["item_id"] for event in service.client.user(user)["events"]] for user in users[:400]]
    out = [(one + other)[:LENGTH][::-1] for one, other in itertools.pairwise(rows)]
    return [one for one in out if len(one) == LENGTH]


def measured(service: Service, load: object, *args: object, **named: object) -> dict:
    """What a load gave, with the service's processor time for a request."""
    before = service.processor()
    out = load(*args, **named)  # type: ignore[operator]
    out["service_cpu_ms_per_request"] = (service.processor() - before) * 1e3 / max(out["requests"], 1)
    return out


def schema(service: Service, folder: Path, examples: int) -> dict:
    """Schemathesis over the whole API."""
    config = folder / "schemathesis.toml"
    # a body that breaks its schema by being long may be refused for its size (413); a category, a filter or a wish that fits the schema may
    # name what the catalogue does not have (422), and lists of items may be rejected one by one
    config.write_text(
        '[checks]\nnegative_data_rejection.expected-statuses = ["4xx"]\n'
        'positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]\n'
    )
    program = shutil.which("schemathesis", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "pip install schemathesis"
    command = [program, "--config-file", str(config), "run", f"{service.address}/openapi.json", "--phases", "examples,coverage,fuzzing"]
    command += ["--max-examples", str(examples), "--suppress-health-check", "all", "--generation-deterministic"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    cases = re.search(r"(\d+) generated", done.stdout)
    summary = done.stdout.partition("SUMMARY")[2]
    failures = re.findall(r"❌ (ST\d+[^\n]*)", summary)
    faults = service.counted("crossaisle_requests_total{method") and _of_status(service, "5")
    return {
        "exit": done.returncode, "cases": int(cases[1]) if cases else 0, "failures": failures, "answers_5xx": faults,
        "output": done.stdout[-6_000:] if done.returncode else "",
    }  # fmt: skip


def _of_status(service: Service, first: str) -> float:
    import urllib.request

    with urllib.request.urlopen(f"{service.address}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith("crossaisle_requests_total") and f'status="{first}' in line
    )


def put_items(service: Service, known: list[list[str]], seconds: float, rate: float) -> dict:
    """Lists for histories that come along, while items are put one at a time, and once five hundred together."""
    ended, each, together = threading.Event(), list[float](), list[float]()
    words = ["red", "blue", "travel", "garden", "winter", "steel", "wooden", "folding", "light", "mini", "guitar", "pet", "soap", "video"]

    def row(n: int) -> dict:
        said = " ".join(words[(n * k) % len(words)] for k in (3, 5, 7, 11))
        return {"item_id": f"put-{n}", "title": f"{said} {n}", "category": service.client.find_items("", n=1)[0]["category"]}

    def write() -> None:
        begun, n = time.monotonic(), 0
        while not ended.wait(0.5):
            rows = [row(n)]
            if not together and time.monotonic() - begun > seconds / 2:
                rows = [{**row(0), "item_id": f"more-{k}", "title": f"{words[k % 14]} {words[k % 11]} {k}"} for k in range(500)]
            at = time.monotonic()
            service.client.put_items(rows)
            (together if len(rows) > 1 else each).append((time.monotonic() - at) * 1e3)
            n += 1

    thread = threading.Thread(target=write)
    thread.start()
    out = measured(service, wrk.fresh, service.address, known, seconds, rate=rate)
    ended.set()
    thread.join()
    each.sort()
    one = {"n": len(each), "p50": each[len(each) // 2], "p90": each[int(len(each) * 0.9)], "max": each[-1]}
    return {**out, "put_one_ms": one, "put_500_ms": together, "answers_5xx": _of_status(service, "5")}


def soak(service: Service, users: list[str], items: list[str], minutes: float, rate: float) -> dict:
    """Paced lists with events beside, and the memory meanwhile."""
    samples: list[tuple[float, int]] = []
    refused: list[str] = []
    ended = threading.Event()
    begun = time.monotonic()

    def watch() -> None:
        while not ended.wait(5.0):
            samples.append((round(time.monotonic() - begun, 1), service.memory()))

    def write() -> None:
        with Client(service.address, tries=1) as client:
            n = 0
            while not ended.wait(0.2):
                rows = [
                    {"user_id": users[(n + i) % len(users)], "item_id": items[(n * 7 + i) % len(items)], "event": "view"} for i in range(5)
                ]
                n += 5
                try:
                    client.send(rows)
                except Exception as error:
                    refused.append(type(error).__name__)

    threads = [threading.Thread(target=one) for one in (watch, write)]
    for thread in threads:
        thread.start()
    out = measured(service, wrk.lists, service.address, users, minutes * 60, rate=rate)
    ended.set()
    for thread in threads:
        thread.join()
    early = [m for at, m in samples if at <= max(120.0, minutes * 6)][-6:] or [m for _, m in samples]
    late = [m for _, m in samples[-6:]]
    growth = sum(late) / len(late) / (sum(early) / len(early)) - 1
    return {**out, "event_errors": refused, "memory": samples, "memory_growth": growth, "answers_5xx": _of_status(service, "5")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--what", default=",".join(ALL))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rates", default="250,500,750")
    parser.add_argument("--top", type=float, help="the top rate that soak takes half of; measured if not given")
    parser.add_argument("--hostile", type=int, default=10_000)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--users", type=Path, help="a file of user ids, one a line; some of the model's own if not given")
    parser.add_argument(
        "--settle", type=float, default=0.0, help="seconds after the first lists in which the service makes what it makes beside them"
    )
    parser.add_argument("--store")
    parser.add_argument("--serve", default="")
    parser.add_argument("--fake", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    top = options.top
    for what in [one for one in ALL if one in options.what.split(",")]:
        with tempfile.TemporaryDirectory() as folder:
            service = Service(options, Path(folder))
            users = [row["user_id"] for row in service.client.shoppers(500)]
            if options.users:
                users = options.users.read_text(encoding="utf-8").split()
            items = [row["item_id"] for row in service.client.find_items("", n=500)]
            out: dict = {"what": what, "ready_seconds": service.ready_seconds, "memory_at_start": service.memory()}
            out["memory_of_each_at_start"] = service.memory_of_each()
            wrk.lists(service.address, users, 2.0)  # warm
            time.sleep(options.settle)
            if what == "closed":
                out |= measured(service, wrk.lists, service.address, users, options.seconds)
                top = top or out["per_second"]
            elif what == "fresh":
                rates = [0.0, *(float(rate) for rate in options.rates.split(","))]
                known = histories(service, users)
                out["at"] = [measured(service, wrk.fresh, service.address, known, options.seconds, rate=rate) for rate in rates]
            elif what == "paced":
                rates = [float(rate) for rate in options.rates.split(",")]
                out["at"] = [measured(service, wrk.lists, service.address, users, options.seconds, rate=rate) for rate in rates]
            elif what == "overload":
                out |= measured(service, wrk.lists, service.address, users, options.seconds, connections=400)
                out["answers_5xx"] = _of_status(service, "5")
            elif what == "intake":
                out |= measured(service, wrk.events, service.address, users, items, options.seconds, f"{time.time():.0f}")
                out["events_per_second"] = out["per_second"] * out["batch"]
                out["events_counted"] = service.counted('crossaisle_events_total{outcome="accepted"}')
            elif what == "items":
                out |= put_items(service, histories(service, users), options.seconds, float(options.rates.split(",")[0]))
            elif what == "fuzz":
                out |= fuzz.fuzz("127.0.0.1", service.port, options.hostile, service.memory)
            elif what == "schema":
                out |= schema(service, Path(folder), options.examples)
            elif what == "soak":
                out |= soak(service, users, items, options.minutes, (top or 200.0) / 2)
            out["memory_at_end"], out["memory_of_each_at_end"] = service.memory(), service.memory_of_each()
            out["exit_after_sigterm"] = service.stop()
            out["log"] = service.log.read_text()[-2_000:]
        (options.out / f"{what}.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
        shown = {k: v for k, v in out.items() if k not in ("memory", "output", "log")}
        print(json.dumps(shown, indent=1), flush=True)


if __name__ == "__main__":
    main()
