"""Counts and times for Prometheus, summed over workers; labels are route templates, never ids. Imports nothing of its own room.

With several workers ``PROMETHEUS_MULTIPROC_DIR`` has to be set before this file is imported (`run` does): each worker then writes into
files of that folder, and whichever worker is asked sums them.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

__all__ = ["METHODS", "Metrics", "forget_worker"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """What one worker counts."""

    def __init__(self) -> None:
        self._many = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "crossaisle_requests", "Requests by route template and status.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "crossaisle_request_seconds", "Time to answer by route template.", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self._events = Counter("crossaisle_events", "Events by what became of them.", ["outcome"], registry=self.registry)
        self._batches = Histogram(
            "crossaisle_batch_size", "Recommendations computed at a time.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=self.registry
        )
        self._degraded = Counter("crossaisle_degraded", "Recommendations given while the store was away.", registry=self.registry)
        self._waiting = Gauge(
            "crossaisle_waiting", "Requests in a lane now.", ["lane"], registry=self.registry, multiprocess_mode="livesum"
        )
        self._of_request: dict[tuple[str, str, int], Callable[[float], None]] = {}
        self._of_events = {outcome: self._events.labels(outcome) for outcome in ("accepted", "duplicate")}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. ``route`` is a template: there are as many as routes, so the labels stay few."""
        key = (method if method in METHODS else "other", route, status)
        count = self._of_request.get(key)
        if count is None:
            counter, times = self._requests.labels(*map(str, key)), self._seconds.labels(route)

            def count(seconds: float) -> None:
                counter.inc()
                times.observe(seconds)

            self._of_request[key] = count
        count(seconds)

    def events(self, accepted: int, duplicates: int) -> None:
        """Count events that are durable."""
        self._of_events["accepted"].inc(accepted)
        self._of_events["duplicate"].inc(duplicates)

    def batch(self, size: int, degraded: int) -> None:
        """Count one batch of recommendations."""
        self._batches.observe(size)
        if degraded:
            self._degraded.inc(degraded)

    def watch(self, lane: str, waiting: Callable[[], int]) -> None:
        """Report how many wait in a lane, counted at the moment when the metrics are read."""
        if not self._many:
            self._waiting.labels(lane).set_function(waiting)

    def set_waiting(self, lane: str, waiting: int) -> None:
        """With several workers: note how many wait, since the worker that is asked cannot count another's."""
        if self._many:
            self._waiting.labels(lane).set(waiting)

    def page(self) -> bytes:
        """The text that Prometheus reads, over all workers."""
        if not self._many:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def forget_worker(pid: int, folder: str) -> None:
    """Drop the live numbers of a worker that ended; its counts stay."""
    mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
