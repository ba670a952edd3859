"""wrk with a script: many users, a given rate, or batches of events; the result as a dictionary."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

_DONE = """
function done(summary, latency, requests)
  local e = summary.errors
  io.stdout:write(string.format('RESULT {"requests": %d, "seconds": %f, "bytes": %d, ' ..
    '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}, ' ..
    '"latency_ms": {"mean": %f, "p50": %f, "p90": %f, "p99": %f, "p99.9": %f, "max": %f}}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency.mean / 1e3, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3,
    latency:percentile(99.9) / 1e3, latency.max / 1e3))
end
"""
# LuaJIT reads the clock, so that a thread keeps to its timetable however long answers take
_PACE = """
local ffi = require("ffi")
ffi.cdef[[ typedef struct { long s; long ns; } timespec_t; int clock_gettime(int, timespec_t *); ]]
local at, ts = nil, ffi.new("timespec_t")
local function now() ffi.C.clock_gettime(1, ts); return tonumber(ts.s) * 1000 + tonumber(ts.ns) / 1e6 end
function delay()
  local t = now()
  if at == nil or t - at > 1000 then at = t end
  at = at + %f
  return math.max(0, at - t)
end
"""
_LISTS = """
local users = {%s}
function setup(thread) seed = (seed or 0) + 1; thread:set("seed", seed) end
function init(args) math.randomseed(seed) end
function request() return wrk.format("GET", "/api/v1/recommend/" .. users[math.random(#users)] .. "?n=10") end
"""
_FRESH = """
local histories = {%s}
function setup(thread) seed = (seed or 0) + 1; thread:set("seed", seed) end
function init(args) math.randomseed(seed) end
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
function request() return wrk.format(nil, "/api/v1/recommend", nil, '{"n":10,"history":[' .. histories[math.random(#histories)] .. "]}") end
"""
_EVENTS = """
local users, items = {%s}, {%s}
local kinds = {"view", "click", "cart", "purchase"}
local count = 0
function setup(thread) number = (number or 0) + 1; thread:set("number", number) end
function init(args) math.randomseed(number) end
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
function request()
  local rows = {}
  for i = 1, %d do
    count = count + 1
    rows[i] = string.format('{"event_id":"%s-%%d-%%d","user_id":"%%s","item_id":"%%s","event":"%%s"}', number, count,
      users[math.random(#users)], items[math.random(#items)], kinds[math.random(4)])
  end
  return wrk.format(nil, "/api/v1/events", nil, '{"events":[' .. table.concat(rows, ",") .. "]}")
end
"""


def _names(values: Sequence[str]) -> str:
    return ",".join(json.dumps(value) for value in values)


def lists(address: str, users: Sequence[str], seconds: float, connections: int = 50, rate: float = 0.0) -> dict:
    """Recommendations for users drawn at random; ``rate`` requests a second, or as many as there are answers."""
    script = _LISTS % _names(users) + (_PACE % (1000.0 / rate) if rate else "")
    return {"connections": connections, "rate": rate or None, **_run(address, script, seconds, connections)}


def fresh(address: str, histories: Sequence[Sequence[str]], seconds: float, connections: int = 50, rate: float = 0.0) -> dict:
    """Recommendations for histories that come along, so that nothing about them can have been kept from a request before."""
    script = _FRESH % ",".join(json.dumps(json.dumps(list(one))[1:-1]) for one in histories) + (_PACE % (1000.0 / rate) if rate else "")
    return {"connections": connections, "rate": rate or None, **_run(address, script, seconds, connections)}


def events(
    address: str, users: Sequence[str], items: Sequence[str], seconds: float, run: str, batch: int = 50, connections: int = 8
) -> dict:
    """Batches of new events; ``run`` makes their ids new ones."""
    return {
        "connections": connections,
        "batch": batch,
        **_run(address, _EVENTS % (_names(users), _names(items), batch, run), seconds, connections),
    }


def _run(address: str, script: str, seconds: float, connections: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "load.lua"
        file.write_text(script + _DONE, encoding="utf-8")
        # one thread: a timetable is one thread's, and a second would take the processor from the service
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(file), address]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    out = json.loads(line.removeprefix("RESULT "))
    out["per_second"] = out["requests"] / out["seconds"]
    return out
