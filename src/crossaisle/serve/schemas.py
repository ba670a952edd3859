"""What requests may hold and answers do hold; the source of the checks and of the OpenAPI page. Imports: problems.

Requests are checked strictly: no field that is not named here, no number in a string (in a body), no NaN, no null byte, nothing longer
than said. Answers are described, not checked: what the engine gives is written as it is, which a hundred lists a second are thankful for.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

from crossaisle.live.asking import Ask
from crossaisle.records.rows import Event
from crossaisle.serve.problems import Problem

__all__ = [
    "AbnormalBody",
    "Accepted",
    "EventsBody",
    "FoundItems",
    "GraphAnswer",
    "Id",
    "ItemsAccepted",
    "ItemsBody",
    "ItemsQuery",
    "KIND",
    "Live",
    "ModelAnswer",
    "NoQuery",
    "ProblemBody",
    "Ready",
    "RecommendBody",
    "RecommendQuery",
    "Recommendations",
    "Removed",
    "Shoppers",
    "ShoppersQuery",
    "SimilarItems",
    "SimilarQuery",
    "Undone",
    "UserAnswer",
    "checked",
]

MAX_ID, MAX_N, MAX_EVENTS, MAX_ITEMS, MAX_HISTORY, MAX_TEXT = 10_000, 500, 1_000, 1_000, 1_000, 20_000
KIND = Literal["view", "click", "cart", "purchase", "rating", "like", "dislike", "hide", "impression", "unhide"]
_NO_NULL = r"^[^\x00]*$"  # a null byte is no text in PostgreSQL
Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=_NO_NULL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=_NO_NULL)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=_NO_NULL)]
Wish = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=_NO_NULL)]
N = Annotated[int, Field(ge=1, le=MAX_N, description="How many items.")]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class NoQuery(_Query):
    """A call that takes no options."""


class RecommendQuery(_Query):
    """Options of a list, in the address."""

    n: N = 10
    categories: Annotated[
        tuple[Name, ...],
        BeforeValidator(_split, json_schema_input_type=Annotated[str, StringConstraints(max_length=10_000, pattern=_NO_NULL)]),
        Field(description="Only these categories, with commas between; a name that holds a comma: POST recommend."),
    ] = ()
    beyond_history: bool = Field(False, description="Only categories that the history does not touch.")
    keep_seen: bool = Field(False, description="Items of the history, too: what could be bought again.")
    context_item: Id | None = Field(None, description="The item that is being looked at.")
    max_per_category: Annotated[int, Field(ge=1, le=MAX_N)] | None = Field(None, description="At most so many items of a category.")
    diversity: float = Field(0.0, ge=0, le=1, description="0: the best scores, to 1: as unlike each other as possible.")
    explain: bool = Field(False, description="Add because, path and reason.")
    lang: Literal["en", "zh"] = Field("en", description="Language of reasons and notes.")
    where: Wish | None = Field(None, description="A filter over the items, such as: price < 50 AND available.")

    def ask(self, user_id: str) -> Ask:
        """The question to the engine."""
        return Ask(user_id=user_id, history=None, wish=None, **dict(self))


class RecommendBody(_Body):
    """A person, an ad-hoc history (a session, a cart), a wish in words, or any of these together; with none, a newcomer's list."""

    user_id: Id | None = Field(None, description="Whose history and refusals count, and to whom the list is credited.")
    history: Annotated[list[Id], Field(max_length=MAX_HISTORY)] = Field(
        [], description="Item ids, the oldest first; they come after what is known of the user."
    )
    wish: Wish | None = Field(None, description="What is wanted, in words: gift for a runner.")
    n: N = 10
    categories: Annotated[list[Name], Field(max_length=200)] = Field([], description="Only these categories.")
    beyond_history: bool = False
    keep_seen: bool = False
    context_item: Id | None = None
    max_per_category: Annotated[int, Field(ge=1, le=MAX_N)] | None = None
    diversity: float = Field(0.0, ge=0, le=1)
    explain: bool = False
    lang: Literal["en", "zh"] = "en"
    where: Wish | None = None

    def ask(self) -> Ask:
        """The question to the engine."""
        fields = dict(self)
        fields["history"], fields["categories"] = tuple(self.history), tuple(self.categories)
        return Ask(**fields)


class SimilarQuery(_Query):
    """Options of items like an item."""

    n: N = 10
    other_categories: bool = Field(False, description="Only from other categories than the item's own.")


class ItemsQuery(_Query):
    """A search in titles."""

    q: Annotated[str, StringConstraints(max_length=1_000, pattern=_NO_NULL)] = Field("", description="Words of the title; empty: any.")
    n: N = 10


class ShoppersQuery(_Query):
    """How many users to name."""

    n: N = 10


class EventRow(_Body):
    """One thing that a person did. Sent again with the same event_id, it counts once."""

    event_id: Id
    user_id: Id
    item_id: Id
    event: KIND
    timestamp: float | None = Field(None, ge=0, le=4_102_444_800, description="Unix seconds; without it, the time of arrival.")
    value: float | None = Field(None, ge=-1e9, le=1e9, description="Of a rating: 1 to 5.")
    recommendation_id: Id | None = Field(None, description="The list that it came from.")

    def kept(self, received: float) -> Event:
        """The event as the store keeps it; what has no time of its own happened when it arrived."""
        at = received if self.timestamp is None else float(self.timestamp)
        return Event(self.event_id, self.user_id, self.item_id, self.event, at, self.value, self.recommendation_id)


class EventsBody(_Body):
    """A batch of events."""

    events: list[EventRow] = Field(min_length=1, max_length=MAX_EVENTS, fail_fast=True)


class ItemRow(_Body):
    """One item; further text columns are kept."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"propertyNames": {"minLength": 1, "maxLength": 200, "pattern": _NO_NULL}, "maxProperties": 100}
    )
    __pydantic_extra__: dict[str, Text | float | bool | None] = Field(init=False)

    item_id: Id
    category: Name | None = None
    title: Text | None = None
    brand: Text | None = None
    description: Text | None = None
    categories: Annotated[list[Name], Field(max_length=50)] | Text | None = Field(None, description="A list, or a path A > B > C.")
    price: float | None = Field(None, ge=0, le=1e12)
    available: bool | None = None
    image: Text | None = Field(None, description="A path below the media folder.")
    video: Text | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if len(self.model_fields_set) > 100 or any(not 0 < len(name) <= 200 or "\x00" in name for name in self.model_fields_set):
            raise ValueError("at most 100 columns with names of 1 to 200 characters, no null byte")
        return self

    def kept(self) -> dict[str, Any]:
        """The row as the engine takes it: categories always a list, so that the rows of a batch make one table."""
        row = self.model_dump(exclude_unset=True)
        if isinstance(row.get("categories"), str):
            row["categories"] = [part for part in (part.strip() for part in row["categories"].split(">")) if part]
        return row


class ItemsBody(_Body):
    """Items that are new or changed."""

    items: list[ItemRow] = Field(min_length=1, max_length=MAX_ITEMS, fail_fast=True)


class AbnormalBody(_Body):
    """What to do with an item that was found abnormal."""

    undo: Literal[True]


class ProblemText(_Answer):
    """Why a request was refused."""

    found: str
    expected: str
    next: str


class ProblemBody(_Answer):
    """The one shape of every error."""

    error: ProblemText


class RecommendedItem(_Answer):
    """One place of a list."""

    item_id: str
    category: str | None
    title: str | None
    score: float
    rank: int = Field(ge=1)
    propensity: float = Field(ge=0, le=1, description="How likely it was to stand here.")
    because: str | None = Field(None, description="The item of the history that carried it (explain).")
    path: str | None = Field(None, description="The way through the categories (explain).")
    reason: str | None = Field(None, description="One sentence (explain).")


class Recommendations(_Answer):
    """A list; name its recommendation_id in the events that follow from it."""

    recommendation_id: str
    user_id: str | None
    model: str
    degraded: bool = Field(description="True: the store of events is away, and the list does not know of the newest ones.")
    items: list[RecommendedItem]
    notes: list[str]


class SimilarItem(_Answer):
    """One item like another."""

    item_id: str
    category: str | None
    title: str | None
    score: float
    rank: int = Field(ge=1)


class SimilarItems(_Answer):
    """Items like an item."""

    item_id: str
    items: list[SimilarItem]


class FoundItem(_Answer):
    """One item that was found."""

    item_id: str


class FoundItems(_Answer):
    """Items whose titles hold the words."""

    items: list[FoundItem]


class Shopper(_Answer):
    """One user of the model."""

    user_id: str


class Shoppers(_Answer):
    """Some users of the model."""

    shoppers: list[Shopper]


class Accepted(_Answer):
    """What is durable now."""

    accepted: int = Field(ge=0)
    duplicates: int = Field(ge=0)


class Rejected(_Answer):
    """An item that was not taken."""

    item_id: str
    reason: str


class ItemsAccepted(_Answer):
    """What can be recommended from the next request on."""

    accepted: int = Field(ge=0)
    rejected: list[Rejected]


class Removed(_Answer):
    """What is gone."""

    removed: Any


class Undone(_Answer):
    """The item stands again."""

    item_id: str
    undone: Literal[True]


class UserAnswer(_Answer):
    """What is known of a user."""

    user_id: str
    known: bool


class GraphAnswer(_Answer):
    """The category association graph."""


class ModelAnswer(_Answer):
    """The model in service."""


class Live(_Answer):
    """The process answers."""

    live: Literal[True]


class Ready(_Answer):
    """Requests can be answered; store: ok or away (then lists are degraded and events are refused)."""

    ready: bool
    store: Literal["ok", "away"]


M = TypeVar("M", bound=BaseModel)


def _where(place: tuple[int | str, ...]) -> str:
    out = ""
    for part in place:
        if isinstance(part, int):
            out += f"[{part}]"
        elif part in {"constrained-str", "str", "float", "bool", "int"} or part.startswith(("list[", "function-")):
            continue  # pydantic's name for one side of a union, no field
        else:
            out += f".{part[:40]}" if out else part[:40]
    return out or "the body"


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple, dict)):
        return "an object" if isinstance(value, dict) else "a list" if value else "an empty list"
    if isinstance(value, str):
        return ascii(value[:40]) + ("..." if len(value) > 40 else "")
    return {"None": "null", "True": "true", "False": "false"}.get(repr(value), repr(value)[:40])


def _within(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the innermost object on the way to a place: of a row, where the place is inside one."""
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            inner = get_args(model.model_fields[part].annotation)
            model = next((one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)), model)
    return model


_PLAIN = {
    "string_type": "a text",
    "string_pattern_mismatch": "a text without null bytes",
    "list_type": "a list",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
}
"""pydantic's name of a fault -> what would have been right; of those whose own words are about Python."""


def _wanted(model: type[BaseModel], fault: ErrorDetails) -> str:
    """What would have been right, in words for whoever sends JSON."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "model_type":
        return "an object with " + ", ".join(_within(model, fault["loc"]).model_fields)
    if kind == "too_short":
        return f"a list of at least {context['min_length']:,}"
    if kind == "too_long":
        return f"a list of at most {context['max_length']:,}"
    if kind in _PLAIN:
        return _PLAIN[kind]
    said = fault["msg"].removeprefix("Input should be ").removeprefix("String should have ").removeprefix("Value error, ")
    return "true" if said == "True" else said


def checked(model: type[M], values: Any) -> M:
    """``values`` as a ``model``.

    Raises
    ------
    Problem
        422, with the first field that is wrong.

    Examples
    --------
    >>> try:
    ...     checked(EventsBody, {"events": [{"event_id": "e1", "user_id": 7, "item_id": "i", "event": "view"}]})
    ... except Problem as problem:
    ...     print(problem.found, "|", problem.expected)
    events[0].user_id is 7 | a text
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    place = _where(first["loc"])
    if first["type"] == "missing":
        raise Problem(422, f"{place} is missing", "a value", f"add {place}; see /docs")
    if first["type"] == "extra_forbidden":
        known = ", ".join(_within(model, first["loc"]).model_fields)
        raise Problem(422, f"{place} is no field of this request", f"some of: {known or 'none'}", "see /docs")
    raise Problem(422, f"{place} is {_short(first['input'])}", _wanted(model, first), f"mend {place}; see /docs")
