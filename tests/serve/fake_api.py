"""FakeApi: the service's API over a toy shop, small enough to read, so that the page can be tested without a model.

It follows the contract's shapes; its recommendations are simple: same interest, other things. What is asked of it and how it shall fail are
plain attributes that a test sets.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from toy_shop import AISLES, INTERESTS, ToyItem, toy_items, toy_people, toy_shop

from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.export import as_dict
from crossaisle.serve import pages

PAGES = Path(pages.__file__).parent
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = ((b"content-security-policy", POLICY.encode()), (b"x-content-type-options", b"nosniff"))
_HUES = {"running": 18, "tea": 110, "camping": 200, "cats": 285, "baby": 335, "study": 45}
_BODY = {
    "user_id",
    "history",
    "wish",
    "n",
    "categories",
    "beyond_history",
    "keep_seen",
    "context_item",
    "max_per_category",
    "diversity",
    "explain",
    "lang",
    "where",
}
_GRAPHS: dict[str, dict[str, Any]] = {}
_NOW = 1_795_900_000.0  # 28 November 2026


@dataclass
class FakeApi:
    """A running fake service.

    Attributes
    ----------
    lang : str
        The language of the toy shop.
    key, read_key : str, optional
        The key that it wants, and one that may only read.
    away : set of str
        Parts that answer 503: ``events``, ``recommend``, ``overview``, ``items``, ...
    degraded : bool
        Whether lists say so.
    people : dict
        Events of each user, as dicts.
    """

    lang: str = "en"
    key: str | None = None
    read_key: str | None = None
    away: set[str] = field(default_factory=set)
    retry_after: int = 1
    degraded: bool = False
    empty: bool = False
    titles: dict[str, str] = field(default_factory=dict)
    seen_events: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    undone: set[str] = field(default_factory=set)
    told_graph: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.items = [] if self.empty else toy_items(self.lang)
        self.by_id = {i.item_id: i for i in self.items}
        self.people: dict[str, list[dict[str, Any]]] = {}
        for k, bought in enumerate([] if self.empty else toy_people(24)):
            start = _NOW - 86_400.0 * (4 * len(bought) + k)
            self.people[f"shopper-{k + 1:02d}"] = [
                {"item_id": self.items[i].item_id, "event": "purchase", "timestamp": start + 86_400.0 * 4 * n} for n, i in enumerate(bought)
            ]

    # what the page sees

    def title(self, item: ToyItem) -> str:
        return self.titles.get(item.item_id, item.title)

    def row(self, item: ToyItem) -> dict[str, Any]:
        return {"item_id": item.item_id, "title": self.title(item), "category": item.category, "image": item.image}

    def recommend(self, history: list[str], hidden: set[str], query: dict[str, Any], wish: str = "") -> dict[str, Any]:
        known = [self.by_id[i] for i in history if i in self.by_id]
        zh = query.get("lang") == "zh"
        scored = []
        for place, item in enumerate(self.items):
            if item.item_id in hidden or (item.item_id in history and not query.get("keep_seen")):
                continue
            cause = next((k for k in reversed(known) if k.interest == item.interest), None)
            score = sum(1.0 + 0.02 * n for n, k in enumerate(known) if k.interest == item.interest) - 0.01 * place
            score -= sum(0.9 for h in hidden if h in self.by_id and self.by_id[h].interest == item.interest)
            if wish:
                score += 5.0 * sum(word in self.title(item).lower() for word in wish.lower().split())
                score += 3.0 * any(w in wish.lower() for w in (INTERESTS[item.interest][:3],)) + 3.0 * ("跑" in wish and item.interest == 0)
            scored.append((score, item, cause))
        scored.sort(key=lambda row: -row[0])
        aisles = {k.category for k in known}
        wanted = set(query.get("categories") or ())
        per: dict[str, int] = {}
        rows = []
        for score, item, cause in scored:
            if (wanted and item.category not in wanted) or (query.get("beyond_history") and item.category in aisles):
                continue
            if per.get(item.category, 0) >= int(query.get("max_per_category") or 99) or len(rows) >= int(query.get("n") or 10):
                continue
            per[item.category] = per.get(item.category, 0) + 1
            row = self.row(item) | {"score": round(score, 4), "rank": len(rows) + 1, "propensity": 1.0, "because": None, "path": None}
            if query.get("explain"):
                row |= {"reason": self.reason(item, cause, wish, zh), "because": cause and cause.item_id}
                row["path"] = f"{cause.category} > {item.category}" if cause and cause.category != item.category else None
            rows.append(row)
        return {
            "recommendation_id": f"r{len(self.asked)}",
            "user_id": None,
            "model": "v3",
            "degraded": self.degraded,
            "items": rows,
            "notes": [],
        }

    def reason(self, item: ToyItem, cause: ToyItem | None, wish: str, zh: bool) -> str:
        if wish:
            return f"符合“{wish}”。" if zh else f"It fits “{wish}”: the words are close."
        if cause is None:
            return f"在“{item.category}”中热度排名第 2。" if zh else f"No. 2 in {item.category.replace('_', ' ')} by popularity."
        if zh:
            return f"您购买过“{self.title(cause)}”；有 31 人在“{cause.category}”和“{item.category}”中都买过商品，是随机情况的 1.7 倍。"
        way = f"{cause.category.replace('_', ' ')}” and “{item.category.replace('_', ' ')}"
        return f"You bought “{self.title(cause)}”; 31 people bought from both “{way}”, 1.7 times as many as by chance."

    def of(self, user_id: str) -> tuple[list[str], set[str]]:
        """What a person has, and what they have hidden."""
        history: list[str] = []
        hidden: set[str] = set()
        for e in self.people.get(user_id, []):
            if e["event"] == "hide":
                hidden.add(e["item_id"])
            elif e["event"] == "unhide":
                hidden.discard(e["item_id"])
            elif e["event"] != "impression" and e["item_id"] not in history:
                history.append(e["item_id"])
        return history, hidden

    # the calls

    def routes(self) -> list[Route]:
        def call(path: str, method: str, name: str, answer: Any) -> Route:
            async def handle(request: Request) -> Response:
                self.asked.append((method, str(request.url.path)))
                given = request.headers.get("authorization", "").removeprefix("Bearer ")
                if self.key and given not in (self.key, self.read_key):
                    return _refusal(401, "no key")
                if self.key and given == self.read_key and (method == "DELETE" or name in ("overview", "abnormal", "events")):
                    return _refusal(403, "the key has no such scope")
                if name in self.away:
                    return _refusal(503, "the store of events is away", {"retry-after": str(self.retry_after)})
                body = await request.json() if method == "POST" else None
                if body is not None:
                    self.bodies.append(body)
                return answer(request, body)

            return Route(f"/api/v1/{path}", handle, methods=[method])

        return [
            call("shoppers", "GET", "shoppers", self.get_shoppers),
            call("items", "GET", "items", self.get_items),
            call("users/{id:path}", "GET", "users", self.get_user),
            call("users/{id:path}", "DELETE", "users", self.delete_user),
            call("recommend/{id:path}", "GET", "recommend", self.get_recommend),
            call("recommend", "POST", "recommend", self.post_recommend),
            call("similar/{id:path}", "GET", "similar", self.get_similar),
            call("events", "POST", "events", self.post_events),
            call("graph", "GET", "graph", lambda request, body: JSONResponse(self.graph())),
            call("model", "GET", "model", lambda request, body: JSONResponse(self.model())),
            call("overview", "GET", "overview", lambda request, body: JSONResponse(self.overview())),
            call("abnormal/{id:path}", "POST", "abnormal", self.post_abnormal),
            Route("/media/{path:path}", _photo),
            Route("/", lambda request: FileResponse(PAGES / "index.html")),
            Mount("/pages", StaticFiles(directory=PAGES)),
        ]

    def get_shoppers(self, request: Request, body: Any) -> Response:
        rows = []
        for user_id, events in self.people.items():
            aisles = list(dict.fromkeys(self.by_id[e["item_id"]].category for e in events if e["item_id"] in self.by_id))
            rows.append({"user_id": user_id, "events": len(events), "categories": aisles})
        return JSONResponse({"shoppers": rows[: int(request.query_params.get("n", 24))]})

    def get_items(self, request: Request, body: Any) -> Response:
        q = request.query_params.get("q", "").lower()
        found = [self.row(i) for i in self.items if q in self.title(i).lower()]
        return JSONResponse({"items": found[: int(request.query_params.get("n", 10))]})

    def get_user(self, request: Request, body: Any) -> Response:
        user_id = request.path_params["id"]
        _, hidden = self.of(user_id)
        events = [self.row(self.by_id[e["item_id"]]) | e for e in self.people.get(user_id, []) if e["event"] not in ("hide", "unhide")]
        hides = [self.row(self.by_id[h]) for h in sorted(hidden)]
        aisles = list(dict.fromkeys(e["category"] for e in reversed(events)))
        told = {"events": events[::-1][:200], "n_events": len(events), "categories": aisles, "n_categories": len(aisles), "hidden": hides}
        return JSONResponse({"user_id": user_id, "known": user_id in self.people, **told})

    def delete_user(self, request: Request, body: Any) -> Response:
        return JSONResponse({"events": len(self.people.pop(request.path_params["id"], []))})

    def get_recommend(self, request: Request, body: Any) -> Response:
        user_id, q = request.path_params["id"], dict(request.query_params)
        query: dict[str, Any] = {
            **q,
            "categories": [q["categories"]] if q.get("categories") else [],
            "beyond_history": "beyond_history" in q,
            "keep_seen": "keep_seen" in q,
        }
        return JSONResponse(self.recommend(*self.of(user_id), query) | {"user_id": user_id})

    def post_recommend(self, request: Request, body: Any) -> Response:
        if unknown := set(body) - _BODY:
            return _refusal(422, f"{sorted(unknown)[0]} is no field")
        if not any(c.isalnum() for c in body.get("wish") or "a"):
            return _refusal(422, f"the wish {body['wish']!r} holds no word", {}, "some words", 'write a few words, for example "a gift"')
        user_id = body.get("user_id")
        known, hidden = ([], set()) if user_id is None else self.of(user_id)
        return JSONResponse(
            self.recommend([*known, *(body.get("history") or [])], hidden, body, body.get("wish") or "") | {"user_id": user_id}
        )

    def get_similar(self, request: Request, body: Any) -> Response:
        item = self.by_id.get(request.path_params["id"])
        if item is None:
            return _refusal(404, "the item is unknown")
        others = request.query_params.get("other_categories") == "true"
        near = [i for i in self.items if i is not item and (i.interest == item.interest or (not others and i.category == item.category))]
        if others:
            near = [i for i in near if i.category != item.category]
        return JSONResponse({"item_id": item.item_id, "items": [self.row(i) for i in near[: int(request.query_params.get("n", 10))]]})

    def post_events(self, request: Request, body: Any) -> Response:
        had = {e["event_id"] for e in self.seen_events}
        new = [e for e in body["events"] if e["event_id"] not in had]
        for e in new:
            self.seen_events.append(e)
            self.people.setdefault(e["user_id"], []).append({k: e[k] for k in ("item_id", "event", "timestamp")})
        return JSONResponse({"accepted": len(new), "duplicates": len(body["events"]) - len(new)})

    def post_abnormal(self, request: Request, body: Any) -> Response:
        self.undone.add(request.path_params["id"])
        return JSONResponse({"item_id": request.path_params["id"], "undone": body["undo"]})

    def graph(self) -> dict[str, Any]:
        if self.told_graph is not None:
            return self.told_graph
        if self.empty:
            return {"settings": {}, "levels": 1, "twins": [], "nodes": [], "edges": []}
        if self.lang not in _GRAPHS:
            _GRAPHS[self.lang] = as_dict(CategoryGraph.of(toy_shop(self.lang)))
        return _GRAPHS[self.lang]

    def model(self) -> dict[str, Any]:
        return {
            "version": "v0003",
            "items": len(self.items),
            "users": 400,
            "categories": len(AISLES[self.lang]),
            "parameters": 316_161,
            "reader": "items are read by minilm because their text is in Latin letters",
            "refused": {},
            "settings": {"seed": 0},
        }

    def overview(self) -> dict[str, Any]:
        if self.empty:
            lists: dict[str, list[Any]] = {k: [] for k in ("trainings", "feedback", "abnormal", "new_items", "swaps")}
            return {"version": "v1", "created": _NOW, "quality": {}} | lists
        days = [f"2026-11-{d:02d}" for d in range(1, 29)]
        feedback = [
            {
                "day": day,
                "lists": 900 + 31 * n + 260 * (n % 7 in (4, 5)),
                "click": 61 + 4 * (n % 9) + 2 * n,
                "purchase": 17 + (n * 5) % 11 + n // 3,
                "like": 8 + (n * 7) % 9,
                "hide": max(2, 14 - n // 2 + (n * 3) % 5),
            }
            for n, day in enumerate(days)
            if day != "2026-11-09"  # a day without events is not told
        ]
        loss = [2.0 / (1 + 0.5 * k) + 4.1 + 0.06 * (k % 3) for k in range(16)]
        valid = [0.021 + 0.052 * (1 - 0.72**k) - 0.0007 * max(0, k - 11) for k in range(16)]
        figures = [self._abnormal(7, 1204.2, 19.0, 73.4, 0.17, 0.40), self._abnormal(28, 640.0, 11.0, 39.0, 0.16, 0.50)]
        return {
            "version": "v0003",
            "created": "2026-11-28T09:46:40+00:00",
            "quality": {
                "ndcg@10": 0.0921,
                "what": "the newest item of each history, held back; the whole catalogue ranked, items already seen left out",
                "epoch": 11,
                "minutes": 3.4,
                "blend": {
                    "in known aisles": {"ndcg@10": 0.3755, "questions": 1353},
                    "in new aisles": {"ndcg@10": 0.0712, "questions": 613},
                },
            },
            "trainings": [
                {
                    "version": f"v000{v}",
                    "created": _NOW - 40_000 - 604_800 * (3 - v),
                    "curves": {
                        "choosing when to stop": {
                            "loss": [x + 0.1 * (3 - v) for x in loss],
                            "validation_ndcg@10": [x - 0.002 * (3 - v) for x in valid],
                            "best_epoch": 11,
                        }
                    },
                }
                for v in (2, 3)
            ],
            "feedback": feedback,
            "abnormal": [row for row in figures if row["item_id"] not in self.undone],
            "undone": [self.row(self.by_id[i]) | {"when": _NOW} for i in sorted(self.undone)],
            "new_items": [self.row(self.items[i]) | {"shown": s} for i, s in ((41, 64), (35, 1), (23, 0))],
            "n_new_items": 3,
            "swaps": [
                _swap("2026-11-14T09:53:20+00:00", "swapped in", "v0001", "v0002", 0.1716, 0.1771, 0.0004, 0.0106),
                _swap("2026-11-21T10:00:00+00:00", "kept aside", "v0002", "v0003", 0.1771, 0.1702, -0.0110, -0.0028),
                _swap("2026-11-24T09:46:40+00:00", "kept aside", "v0002", "v0003", 0.1771, 0.1740, -0.0060, 0.0009, lost=0.09),
                _swap("2026-11-28T09:46:40+00:00", "swapped in", "v0002", "v0003", 0.1771, 0.1834, 0.0021, 0.0105),
            ],
            "refused": {},
        }

    def _abnormal(self, place: int, shown: float, accepted: float, expected: float, low: float, high: float) -> dict[str, Any]:
        figures = {"shown": shown, "accepted": accepted, "expected": expected, "ratio": accepted / expected, "low": low, "high": high}
        return {**self.row(self.items[place]), **figures, "demoted": True, "undone": None}

    # running

    def __enter__(self) -> FakeApi:
        app = _guarded(Starlette(routes=self.routes()))
        sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [sock]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


def _swap(
    when: str, what: str, old: str, new: str, before: float, after: float, low: float, high: float, lost: float = 0.0
) -> dict[str, Any]:
    won = what == "swapped in"
    told = f"N@10 {after:.4f} against {before:.4f}, difference {after - before:+.4f} [{low:+.4f}, {high:+.4f}]"
    found = f"{'better' if low > 0 else 'worse' if high < 0 else 'no difference seen'}: {told}"
    margin = f"its lower end is {'not below' if won or lost else 'below'} the margin {-0.1 * before:+.4f}"
    if lost:
        margin += f"; but the swaps before it have lost {lost:.1%} since the best model, and with it that would be more than 10%"
    why = f"{found}; {margin}; 4,120 questions about 600 people could have shown a difference of {0.72 * (high - low):.4f}"
    return {
        "when": when,
        "what": what,
        "from": old,
        "to": new,
        "in service": before,
        "challenger": after,
        "low": low,
        "high": high,
        "why": why,
    }


def _guarded(app: ASGIApp) -> ASGIApp:
    """The policy of the real service around everything."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        await app(scope, receive, sending)

    return guarded


def _refusal(status: int, found: str, headers: dict[str, str] | None = None, expected: str = "", then: str = "") -> JSONResponse:
    return JSONResponse({"error": {"found": found, "expected": expected, "next": then}}, status, headers)


async def _photo(request: Request) -> Response:
    """A picture in place of a photo: a landscape in the colour of the interest."""
    interest = request.path_params["path"].rpartition("/")[2].removesuffix(".svg")
    if interest not in _HUES:
        return Response(status_code=404)
    h, k = _HUES[interest], len(request.path_params["path"]) % 5
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 500 300"><rect width="500" height="300" fill="hsl({h} 45% 88%)"/>'
        f'<circle cx="{140 + 50 * k}" cy="{95 + 12 * k}" r="52" fill="hsl({h} 70% 78%)"/>'
        f'<path d="M0 {230 - 9 * k}C120 {130 + 8 * k} 220 {250 - 6 * k} 330 {170 + 7 * k}'
        f'S460 160 500 {190 + 5 * k}V300H0z" fill="hsl({h} 38% 62%)"/>'
        f'<path d="M0 265C150 {200 + 10 * k} 300 300 500 {225 + 6 * k}V300H0z" fill="hsl({h} 40% 44%)"/></svg>'
    )
    return Response(picture, media_type="image/svg+xml")
