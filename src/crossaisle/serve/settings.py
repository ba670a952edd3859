"""The limits of the service, each with its reason, and the settings of the rooms it serves. Imports nothing of its own room."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossaisle.learn.settings import AbnormalSettings, ExploreSettings, LastLayerSettings, OnlineSettings, RepeatSettings
from crossaisle.live.settings import LearnSettings, LiveSettings
from crossaisle.records.settings import RecordsSettings
from crossaisle.settings import Settings, setting

__all__ = ["ServeSettings", "ServiceSettings"]


@dataclass(frozen=True)
class ServeSettings(Settings):
    """What the service takes, how long it waits, and when it says no."""

    max_body: int = setting(2_000_000, "Largest body in bytes; a larger one is answered 413.", low=1_000)
    max_head: int = setting(160_000, "Largest request line and headers in bytes (an id of 10,000 emoji takes 120,000).", low=1_000)
    head_seconds: float = setting(10.0, "Time for a client to send request line and headers; then it is cut.", low=0.01)
    body_seconds: float = setting(15.0, "Time for a client to send the body; then it is answered 408 and cut.", low=0.01)
    send_seconds: float = setting(60.0, "Time for a client to take one piece of an answer; then it is cut.", low=0.01)
    idle_seconds: int = setting(30, "Time that a connection may stay open between two requests.", low=1)
    answer_seconds: float = setting(10.0, "Longest time to answer; what takes longer is answered 503.", low=0.01)
    max_connections: int = setting(1_000, "Open connections of one worker; one more is answered 503.", low=1)
    max_batch: int = setting(64, "Recommendations computed in one batch.", low=1)
    max_waiting: int = setting(128, "Recommendations that may wait for the engine in one worker; one more is answered 503.", low=1)
    max_wait_seconds: float = setting(0.5, "A recommendation whose turn comes later than this after it arrived is answered 503.", low=0.0)
    slow_waiting: int = setting(32, "As max_waiting, for wishes, explanations and the other calls.", low=1)
    slow_wait_seconds: float = setting(5.0, "As max_wait_seconds, for wishes, explanations and the other calls.", low=0.0)
    event_waiting: int = setting(64, "Event batches that may wait for the store in one worker; one more is answered 503.", low=1)
    rate: float = setting(500.0, "Requests a second that one key may send, over all workers; 0: no limit.", low=0.0)
    burst: int = setting(1_000, "Requests that a key may send at once after a pause.", low=1)
    store_retry_seconds: int = setting(2, "Retry-After where the store is away.", low=1)
    busy_retry_seconds: int = setting(1, "Retry-After where the queue is full.", low=1)
    stop_seconds: int = setting(30, "Time for requests in flight to finish after SIGTERM.", low=1)
    access_log: bool = setting(False, "Write one line a request: route template, status, milliseconds; never an id or a key.")
    writers: int = setting(
        4, "Threads of one worker that wait for the store with what is to be written; it commits together what comes together.", low=1
    )


@dataclass(frozen=True)
class ServiceSettings(Settings):
    """Everything that ``crossaisle serve --set section.key=value`` can change."""

    serve: ServeSettings = field(default_factory=ServeSettings)
    live: LiveSettings = field(default_factory=LiveSettings)
    records: RecordsSettings = field(default_factory=RecordsSettings)
    online: OnlineSettings = field(default_factory=OnlineSettings)
    abnormal: AbnormalSettings = field(default_factory=AbnormalSettings)
    explore: ExploreSettings = field(default_factory=ExploreSettings)
    last_layer: LastLayerSettings = field(default_factory=LastLayerSettings)
    repeats: RepeatSettings = field(default_factory=RepeatSettings)

    @property
    def learn(self) -> LearnSettings:
        """What is learned from feedback, together."""
        return LearnSettings(self.online, self.abnormal, self.explore, self.last_layer, self.repeats)
