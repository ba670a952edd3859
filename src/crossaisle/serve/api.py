"""The calls below ``/api/v1``. Imports: desk, problems, route, schemas."""

from __future__ import annotations

import time
from typing import Any

import orjson

from crossaisle.live.asking import Answer
from crossaisle.serve import schemas
from crossaisle.serve.desk import Desk
from crossaisle.serve.problems import Problem
from crossaisle.serve.route import Call, Route

__all__ = ["PREFIX", "api_routes"]

PREFIX = "/api/v1"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def _json(content: Any) -> bytes:
    return orjson.dumps(content, option=_OPTIONS)


def api_routes(desk: Desk) -> list[Route]:
    """Every call of the API for one worker."""
    return [*_lists(desk), *_writing(desk), *_people(desk), *_model(desk), *_health(desk)]


def _answer(answer: Answer) -> bytes:
    return _json(
        {
            "recommendation_id": answer.recommendation_id,
            "user_id": answer.user_id,
            "model": answer.model,
            "degraded": answer.degraded,
            "items": answer.items,
            "notes": answer.notes,
        }
    )


def _lists(desk: Desk) -> list[Route]:
    engine = desk.engine

    async def recommend(call: Call) -> bytes:
        """What a user may like.

        The list knows of every event that was accepted before. An unknown user gets a sensible list.
        """
        ask = call.query(schemas.RecommendQuery).ask(call.id("user_id"))
        return _answer(await desk.recommend(ask, call.since))

    async def recommend_for(call: Call) -> bytes:
        """What fits a history that is given here, or a wish in words.

        For a session, a cart, or a text such as "gift for a runner"; nothing is kept of it but the list that was shown. With a user_id it
        is joined to that person's history, and what that person has hidden is not listed.
        """
        call.query(schemas.NoQuery)
        body = await call.read(schemas.RecommendBody, desk)
        return _answer(await desk.recommend(body.ask(), call.since))

    async def similar(call: Call) -> bytes:
        """Items like an item."""
        query, item_id = call.query(schemas.SimilarQuery), call.id("item_id")
        items = await desk.asking.do(lambda: engine.similar(item_id, query.n, query.other_categories))
        return _json({"item_id": item_id, "items": items})

    async def find_items(call: Call) -> bytes:
        """Items whose titles hold some words."""
        query = call.query(schemas.ItemsQuery)
        return _json({"items": await desk.asking.do(lambda: engine.find_items(query.q, query.n))})

    tag = "lists"
    return [
        Route(
            f"{PREFIX}/recommend/{{user_id:id}}", recommend, desk=desk, method="GET", needs="read", tag=tag,
            query=schemas.RecommendQuery, answer=schemas.Recommendations, refusals=(404,),
        ),
        Route(
            f"{PREFIX}/recommend", recommend_for, desk=desk, method="POST", needs="read", tag=tag,
            body=schemas.RecommendBody, answer=schemas.Recommendations, refusals=(404,),
        ),
        Route(
            f"{PREFIX}/similar/{{item_id:id}}", similar, desk=desk, method="GET", needs="read", tag=tag,
            query=schemas.SimilarQuery, answer=schemas.SimilarItems, refusals=(404,),
        ),
        Route(
            f"{PREFIX}/items", find_items, desk=desk, method="GET", needs="read", tag=tag,
            query=schemas.ItemsQuery, answer=schemas.FoundItems,
        ),
    ]  # fmt: skip


def _writing(desk: Desk) -> list[Route]:
    engine, records = desk.engine, desk.records

    async def events(call: Call) -> bytes:
        """Keep what people did.

        Answered only once it is durable. An event_id that was sent before counts once, so a batch without an answer can be sent again.
        """
        body = await call.read(schemas.EventsBody, desk)
        received = time.time()
        rows = [row.kept(received) for row in body.events]
        accepted, duplicates = await desk.writing.do(lambda: records.add_events(rows, received))
        desk.metrics.events(accepted, duplicates)
        return _json({"accepted": accepted, "duplicates": duplicates})

    async def put_items(call: Call) -> bytes:
        """Add or change items; they can be recommended from the next request on.

        What a row does not say stays as it was. Of an item that is known, title, brand, description, price, availability and photo change
        at once; its category and what the model makes of its text and photo follow at the next refit.
        """
        body = await call.read(schemas.ItemsBody, desk)
        rows = [row.kept() for row in body.items]
        accepted, rejected = await desk.writing.do(lambda: engine.put_items(rows))
        return _json({"accepted": accepted, "rejected": rejected})

    async def delete_item(call: Call) -> bytes:
        """Take an item out; it is gone from the next request on."""
        item_id = call.id("item_id")
        await desk.writing.do(lambda: engine.delete_item(item_id))
        return _json({"removed": item_id})

    async def undo_abnormal(call: Call) -> bytes:
        """Let an item that was demoted as abnormal stand again."""
        item_id = call.id("item_id")
        await call.read(schemas.AbnormalBody, desk)
        await desk.writing.do(lambda: engine.undo_abnormal(item_id))
        return _json({"item_id": item_id, "undone": True})

    tag = "writing"
    return [
        Route(
            f"{PREFIX}/events", events, desk=desk, method="POST", needs="write", tag=tag,
            body=schemas.EventsBody, answer=schemas.Accepted,
        ),
        Route(
            f"{PREFIX}/items", put_items, desk=desk, method="PUT", needs="write", tag=tag,
            body=schemas.ItemsBody, answer=schemas.ItemsAccepted,
        ),
        Route(
            f"{PREFIX}/items/{{item_id:id}}", delete_item, desk=desk, method="DELETE", needs="write", tag=tag,
            answer=schemas.Removed, refusals=(404,),
        ),
        Route(
            f"{PREFIX}/abnormal/{{item_id:id}}", undo_abnormal, desk=desk, method="POST", needs="admin", tag=tag,
            body=schemas.AbnormalBody, answer=schemas.Undone, refusals=(404,),
        ),
    ]  # fmt: skip


def _people(desk: Desk) -> list[Route]:
    engine, records = desk.engine, desk.records

    async def user(call: Call) -> bytes:
        """What is known of a user: events by category, hidden items, the last lists."""
        user_id = call.id("user_id")
        known = await desk.asking.do(lambda: engine.user(user_id))
        return _json({"user_id": user_id, **known})

    async def forget(call: Call) -> bytes:
        """Remove everything about a user, also from later trainings; the answer says what was removed.

        That is every event and every list of theirs in the store. What the model holds of their history is not used from now on, and leaves
        its files with the next refit. A user who comes back is a new one.
        """
        user_id = call.id("user_id")

        def remove() -> dict[str, int]:
            engine.flush()  # lists of this person that are not written yet are removed with the others
            return records.forget(user_id)

        removed = await desk.writing.do(remove)
        return _json({"user_id": user_id, "removed": removed})

    async def shoppers(call: Call) -> bytes:
        """Some users of the model, with how much they did."""
        query = call.query(schemas.ShoppersQuery)
        return _json({"shoppers": await desk.asking.do(lambda: engine.shoppers(query.n))})

    tag, place = "people", f"{PREFIX}/users/{{user_id:id}}"
    return [
        Route(place, user, desk=desk, method="GET", needs="read", tag=tag, answer=schemas.UserAnswer),
        Route(place, forget, desk=desk, method="DELETE", needs="admin", tag=tag, answer=schemas.Removed),
        Route(
            f"{PREFIX}/shoppers", shoppers, desk=desk, method="GET", needs="read", tag=tag,
            query=schemas.ShoppersQuery, answer=schemas.Shoppers,
        ),
    ]  # fmt: skip


def _model(desk: Desk) -> list[Route]:
    engine = desk.engine

    async def graph(call: Call) -> bytes:
        """The category association graph."""
        return _json(await desk.asking.do(engine.graph))

    async def model(call: Call) -> bytes:
        """The model in service."""
        return _json(await desk.asking.do(engine.model))

    async def overview(call: Call) -> bytes:
        """What an operator watches: quality, trainings, feedback by day, abnormal items, new items, swaps."""
        return _json(await desk.asking.do(engine.overview))

    tag = "model"
    return [
        Route(f"{PREFIX}/graph", graph, desk=desk, method="GET", needs="read", tag=tag, answer=schemas.GraphAnswer),
        Route(f"{PREFIX}/model", model, desk=desk, method="GET", needs="read", tag=tag, answer=schemas.ModelAnswer),
        Route(f"{PREFIX}/overview", overview, desk=desk, method="GET", needs="admin", tag=tag, answer=schemas.ModelAnswer),
    ]


def _health(desk: Desk) -> list[Route]:
    async def live(call: Call) -> bytes:
        """Whether the process answers."""
        return b'{"live":true}'

    async def ready(call: Call) -> bytes:
        """Whether requests can be answered.

        A store that is away leaves the service ready: lists go on, as degraded ones.
        """
        if not desk.open:
            raise Problem(503, "the service is stopping", "a service that runs", "ask another", retry_after=1)
        return _json({"ready": True, "store": "ok" if await desk.store_answers() else "away"})

    tag = "health"
    return [
        Route(f"{PREFIX}/health/live", live, desk=desk, method="GET", needs=None, tag=tag, answer=schemas.Live),
        Route(f"{PREFIX}/health/ready", ready, desk=desk, method="GET", needs=None, tag=tag, answer=schemas.Ready),
    ]
