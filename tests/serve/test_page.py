"""The page in a real browser: the shopper's story and the operator's story, in both languages, at desk and phone width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed: pip install 'crossaisle[dev]'")

from fake_api import FakeApi
from page_kit import browser, chromium_path, opened
from playwright.sync_api import expect
from toy_shop import toy_items

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no chromium on this machine: apt-get install chromium")

LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
SAY = {
    "en": {
        "like": "Like",
        "buy": "Buy",
        "hide": "Hide",
        "undo": "Undo",
        "find": "Find",
        "close": "Close",
        "liked": "Liked “",
        "hid": "Hid “",
    },
    "zh": {
        "like": "喜欢",
        "buy": "购买",
        "hide": "隐藏",
        "undo": "撤销",
        "find": "寻找",
        "close": "关闭",
        "liked": "已喜欢“",
        "hid": "已隐藏“",
    },
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


def titles(page: Any) -> list[str]:
    return [t.strip() for t in page.locator(".card h4").all_inner_texts()]


@pytest.mark.parametrize("size", ["desk", "phone"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_shoppers_story(chromium: Any, lang: str, size: str) -> None:
    say = SAY[lang]
    with FakeApi(lang) as api, opened(chromium, size, LANGUAGES[lang]) as seen:
        page = seen.page
        seen.go(api.url)
        expect(page.locator(".person")).to_have_count(24)
        assert page.evaluate("document.documentElement.lang") == LANGUAGES[lang].replace("en-GB", "en")
        assert (seen.axe(), seen.too_wide()) == ([], 0)

        page.get_by_role("link", name="shopper-02").click()
        expect(page.locator("h1")).to_have_text("shopper-02")
        expect(page.locator(".card").first).to_be_visible()
        before = titles(page)
        assert len(before) == len(set(before)) == 18
        assert page.locator(".aisle h3").count() >= 4
        assert "shopper-02" in page.title()
        history = [e["item_id"] for e in api.people["shopper-02"]]
        expect(page.locator(".past .pastitem")).to_have_count(len(history))
        expect(page.locator(".card img").first).to_have_js_property("complete", True)
        assert page.locator(".card img").first.evaluate("(i) => i.complete && i.naturalWidth > 0 && i.src.includes('/media/')")
        reasons = page.locator(".reason").all_inner_texts()
        assert any(re.search("您购买过" if lang == "zh" else "You bought", r) for r in reasons)
        assert (seen.axe(), seen.too_wide()) == ([], 0)

        # like: it is durable, credited to the list, in the history, and the list is another one
        page.locator(".card").first.get_by_role("button", name=f"{say['like']} ", exact=False).click()
        expect(page.locator(".lastact")).to_contain_text(f"{say['liked']}{before[0]}")
        expect(page.locator(".past", has_text=before[0])).to_be_visible()
        assert before[0] not in titles(page)
        assert page.locator(".card.fresh").count() >= 1
        (like,) = [e for e in api.seen_events if e["event"] == "like"]
        assert like["user_id"] == "shopper-02"
        assert like["recommendation_id"].startswith("r")
        assert len(like["event_id"]) == 32

        # hide and undo
        second = titles(page)[0]
        page.locator(".card").first.get_by_role("button", name=f"{say['hide']} ", exact=False).click()
        expect(page.locator(".lastact")).to_contain_text(f"{say['hid']}{second}")
        expect(page.locator(".struck")).to_have_text(second)
        assert second not in titles(page)
        assert (seen.axe(), seen.too_wide()) == ([], 0)
        page.locator(".lastact").get_by_role("button", name=say["undo"]).click()
        expect(page.locator(".struck")).to_have_count(0)
        expect(page.locator(".card", has_text=second)).to_have_count(1)

        # buy
        third = titles(page)[0]
        page.locator(".card").first.get_by_role("button", name=f"{say['buy']} ", exact=False).click()
        expect(page.locator(".past", has_text=third)).to_be_visible()
        assert [e["event"] for e in api.seen_events] == ["like", "hide", "unhide", "purchase"]
        assert len({e["event_id"] for e in api.seen_events}) == 4

        # one item close up
        page.locator(".card h4 button").first.click()
        panel = page.locator("dialog.panel")
        expect(panel.locator(".likes .pastitem").first).to_be_visible()
        assert (seen.axe(), seen.too_wide()) == ([], 0)
        panel.get_by_role("button", name=say["close"]).click()
        expect(panel).to_have_count(0)
        assert api.seen_events[-1]["event"] == "click"

        # a wish in words
        page.locator("#wish").fill("送给跑步爱好者" if lang == "zh" else "a gift for a runner")
        page.get_by_role("button", name=say["find"], exact=True).click()
        expect(page.locator(".reason").first).to_contain_text("符合“送给跑步" if lang == "zh" else "It fits “a gift for a runner”")
        assert api.bodies[-1]["lang"] == lang
        assert (api.bodies[-1]["user_id"], "history" in api.bodies[-1]) == ("shopper-02", False)
        assert third not in titles(page), "what was bought a moment ago is in the history that goes with the wish"
        fourth = titles(page)[0]
        page.locator(".card .hide").first.click()
        expect(page.locator(".struck")).to_have_text(fourth)
        expect(page.locator(".lastact")).to_contain_text(fourth)
        assert fourth not in titles(page), "what is hidden does not come back for a wish"
        assert api.seen_events[-1]["recommendation_id"].startswith("r")


@pytest.mark.parametrize("size", ["desk", "phone"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_operators_story(chromium: Any, lang: str, size: str) -> None:
    with FakeApi(lang) as api, opened(chromium, size, LANGUAGES[lang]) as seen:
        page = seen.page
        seen.go(f"{api.url}#/operator")
        expect(page.locator(".figuresrow").get_by_text("v0003")).to_be_visible()
        expect(page.locator(".curve .line")).to_have_count(4)
        expect(page.locator(".bars svg")).to_have_count(5)
        assert page.locator(".bars rect").count() == 5 * 28
        days = api.overview()["feedback"]
        assert page.locator(".bars .figures").nth(2).inner_text() == str(sum(d["purchase"] for d in days))
        expect(page.locator(".timeline li")).to_have_count(4)
        expect(page.locator("[aria-labelledby=newitems] .row")).to_have_count(3)
        assert (seen.axe(), seen.too_wide()) == ([], 0)
        rows = page.locator("[aria-labelledby=abnormal] .row")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("26%")
        wrong = api.overview()["abnormal"][0]
        rows.first.get_by_role("button").click()
        expect(rows.last).to_contain_text({"en": "undone", "zh": "已撤销"}[lang])
        expect(rows.last).to_contain_text(wrong["title"])
        expect(rows.get_by_role("button")).to_have_count(1)
        assert api.undone == {wrong["item_id"]}
        page.locator("details summary").last.click()
        expect(page.locator("tbody tr")).to_have_count(28)
        assert (seen.axe(), seen.too_wide()) == ([], 0)


def test_an_invented_shopper(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium, "phone") as seen:
        page = seen.page
        seen.go(f"{api.url}#/invent")
        page.locator("#search").fill("running")
        expect(page.locator(".likes .pastitem")).to_have_count(1)
        page.get_by_role("button", name="Add Trail running shoes").click()
        expect(page.locator(".chip")).to_have_text("Trail running shoes")
        expect(page.locator(".reason").first).to_contain_text("Trail running shoes")  # a preview, before anybody is made
        assert api.seen_events == []
        page.locator("#search").fill("teapot")
        page.get_by_role("button", name="Add Cast-iron teapot").click()
        page.get_by_role("button", name="Remove Cast-iron teapot").click()
        expect(page.locator(".chip")).to_have_count(1)
        assert (seen.axe(), seen.too_wide()) == ([], 0)
        page.get_by_label("Their name").fill("Ann / 小安 & co")
        page.get_by_role("button", name="Make this shopper").click()
        expect(page.locator("h1")).to_have_text("Ann / 小安 & co")
        expect(page.locator(".past .pastitem")).to_have_text(re.compile("Trail running shoes"))
        assert [(e["user_id"], e["event"]) for e in api.seen_events] == [("Ann / 小安 & co", "purchase")]
        page.get_by_role("button", name="Forget this shopper").click()
        assert "Ann / 小安 & co" in api.people, "asked for twice"
        page.get_by_role("button", name="Remove everything").click()
        expect(page.get_by_text("Everything about this shopper is removed.")).to_be_visible()
        assert "Ann / 小安 & co" not in api.people


@pytest.mark.parametrize(("lang", "size"), [("en", "desk"), ("zh", "phone")])
def test_a_walk_through_the_graph(chromium: Any, lang: str, size: str) -> None:
    with FakeApi(lang) as api, opened(chromium, size, LANGUAGES[lang]) as seen:
        page = seen.page
        seen.go(f"{api.url}#/graph")
        edges = [e for e in api.graph()["edges"] if e["level"] == 1]
        expect(page.locator(".node")).to_have_count(len({e["source"] for e in edges} | {e["target"] for e in edges}))
        assert page.locator(".edge").count() == len(edges)
        assert (seen.axe(), seen.too_wide()) == ([], 0)
        page.locator(".node").first.click()
        expect(page.locator(".step")).to_have_count(1)
        first = page.locator(".step").inner_text()
        page.locator(".stepto").first.click()
        expect(page.locator(".step")).to_have_count(2)
        second = page.locator(".step").last.inner_text()
        names = {first.replace(" ", "_"), second.replace(" ", "_")}
        assert any({e["source"], e["target"]} == names for e in edges), "each step goes along an edge"
        assert page.locator(".edge.onwalk").count() >= 1
        assert (seen.axe(), seen.too_wide()) == ([], 0)


def test_styles_follow_what_changes_its_place(chromium: Any) -> None:
    """Nodes and cards that move and change at once look like what they are: a browser may keep the old style of what is moved."""
    with FakeApi() as api, opened(chromium, reduced_motion="reduce") as seen:
        page = seen.page
        seen.go(f"{api.url}#/graph")
        page.locator(".pick select").select_option("2")
        page.locator(".node").first.click()
        page.locator(".stepto").first.click()
        page.locator(".stepto").first.click()
        expect(page.locator(".step")).to_have_count(3)
        script = "(all) => all.map((n) => [n.classList.contains('dim'), getComputedStyle(n.querySelector('circle')).opacity])"
        looks = page.locator(".node").evaluate_all(script)
        assert {dim for dim, _ in looks} == {True, False}
        assert [opacity for _, opacity in looks] == ["0.35" if dim else "1" for dim, _ in looks]

        seen.go(f"{api.url}#/shopper/shopper-08")
        expect(page.locator(".card").first).to_be_visible()
        for _ in range(3):
            first = titles(page)[0]
            page.locator(".card").first.get_by_role("button", name="Hide ").click()
            expect(page.locator(".lastact")).to_contain_text(first)
            assert set(page.locator(".card").evaluate_all("(all) => all.map((c) => getComputedStyle(c).opacity)")) == {"1"}


def test_the_walk_that_a_reason_names(chromium: Any) -> None:
    """The path of an item leads into the graph, to the same walk."""
    with FakeApi() as api, opened(chromium) as seen:
        page = seen.page
        edge = next(e for e in api.graph()["edges"] if e["kind"] == "bought" and e["level"] == 1)
        seen.go(f'{api.url}#/graph?walk=["{edge["source"]}","{edge["target"]}","no such aisle"]')
        expect(page.locator(".step")).to_have_count(2)
        expect(page.locator(".edge.onwalk").first).to_be_visible()


def test_the_keyboard_alone(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium) as seen:
        page = seen.page
        seen.go(api.url)
        expect(page.locator(".person")).to_have_count(24)
        seen.tab_to("shopper-02")
        page.keyboard.press("Enter")
        expect(page.locator(".card").first).to_be_visible()
        assert seen.focused() == "shopper-02", "after a change of view the keyboard is at its heading"
        top = titles(page)[0]
        seen.tab_to(f"Hide {top}")
        page.keyboard.press("Enter")
        expect(page.locator(".struck")).to_have_text(top)
        expect(page.locator(".lastact button")).to_be_focused()  # the card is gone, and the keyboard with it would be lost
        page.keyboard.press("Enter")
        expect(page.locator(".struck")).to_have_count(0)
        expect(page.locator("#foryou")).to_be_focused()
        seen.tab_to(titles(page)[0])
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
        assert seen.focused() == titles(page)[0], "a closed panel gives the keyboard back"
        soon = "async b => { b.click(); await new Promise(queueMicrotask); return document.querySelector('dialog')?.open ?? false }"
        assert page.locator(".card h4 button").first.evaluate(soon), "open before the next picture: an Escape that follows at once finds it"
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)

        seen.go(f"{api.url}#/graph")
        expect(page.locator(".node").first).to_be_visible()
        first = page.locator(".node[tabindex='0']").get_attribute("aria-label")
        seen.tab_to(first)
        page.keyboard.press("ArrowDown")
        second = seen.focused()
        assert second != first
        page.keyboard.press("ArrowUp")
        assert seen.focused() == first
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator(".node.here")).to_have_attribute("aria-label", second)
        assert seen.focused() == second


HOSTILE = '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">'


def test_titles_are_text(chromium: Any) -> None:
    with FakeApi(titles={i.item_id: f"{HOSTILE} {i.item_id}" for i in toy_items("en")}) as api, opened(chromium) as seen:
        page = seen.page
        bought = [{"item_id": i, "event": "purchase", "timestamp": 1.7e9} for i in ("p00", "p11")]
        api.people = {HOSTILE: bought, **api.people}
        seen.go(api.url)
        page.get_by_role("link", name=HOSTILE).click()
        expect(page.locator("h1")).to_have_text(HOSTILE)
        expect(page.locator(".past", has_text=f"{HOSTILE} p00")).to_have_count(1)
        expect(page.locator(".card h4", has_text=HOSTILE).first).to_be_visible()
        page.locator(".card h4 button", has_text=HOSTILE).first.click()
        expect(page.locator("dialog h2")).to_contain_text(HOSTILE)
        assert page.locator("img[src$='/x'], main script, dialog script").count() == 0
        assert "owned" not in page.title().replace(HOSTILE, "")
        assert seen.too_wide() == 0


def test_a_key_is_asked_for_and_kept_in_the_tab(chromium: Any) -> None:
    with FakeApi(key="ca_right") as api, opened(chromium) as seen:
        seen.expected.add("401")
        page = seen.page
        seen.go(api.url)
        field = page.get_by_label("Key", exact=True)
        field.fill("ca_wrong")
        assert seen.axe() == []
        page.get_by_role("button", name="Use key").click()
        expect(page.get_by_text("was not accepted")).to_be_visible()
        page.get_by_label("Key", exact=True).fill("ca_right")
        page.keyboard.press("Enter")
        expect(page.locator(".person").first).to_be_visible()
        page.reload()
        expect(page.locator(".person").first).to_be_visible()
        assert page.evaluate("[Object.values(sessionStorage), JSON.stringify(localStorage).includes('ca_')]") == [["ca_right"], False]


def test_a_key_that_may_only_read(chromium: Any) -> None:
    with FakeApi(key="ca_all", read_key="ca_read") as api, opened(chromium, "phone") as seen:
        seen.expected |= {"401", "403"}
        page = seen.page
        seen.go(f"{api.url}#/operator")
        page.get_by_label("Key", exact=True).fill("ca_read")
        page.keyboard.press("Enter")
        expect(page.locator(".figuresrow")).to_contain_text("v0003")
        refusal = page.locator(".notice.bad")
        expect(refusal).to_contain_text("not allowed to do this")
        expect(refusal.get_by_role("button", name="Try again")).to_have_count(0)
        assert seen.axe() == []
        refusal.get_by_role("button", name="Use another key").click()
        expect(page.locator(".lead")).to_contain_text("allowed to do more")
        for name in ("Operator", "Graph", "Operator"):  # one may also go on with the key that one has
            page.get_by_role("link", name=name).click()
            expect(page.locator(".node" if name == "Graph" else ".figuresrow").first).to_be_visible()
        refusal.get_by_role("button", name="Use another key").click()
        page.get_by_label("Key", exact=True).fill("ca_all")
        page.keyboard.press("Enter")
        expect(page.locator(".bars").first).to_be_visible()


def test_a_store_that_is_away(chromium: Any) -> None:
    """Lists go on and say so; an act waits, and sent again it is the same event."""
    with FakeApi(degraded=True) as api, opened(chromium) as seen:
        seen.expected.add("503")
        page = seen.page
        seen.go(f"{api.url}#/shopper/shopper-03")
        expect(page.locator(".notice.warn")).to_contain_text("may be behind")
        assert seen.axe() == []
        api.away, api.retry_after = {"events"}, 4
        page.locator(".card").first.get_by_role("button", name="Like ").click()
        alert = page.locator(".notice.bad")
        expect(alert).to_contain_text("cannot do this just now")
        expect(alert.get_by_role("button")).to_be_disabled()
        sent = []
        page.on("request", lambda r: sent.append(r.post_data_json) if r.url.endswith("/events") else None)
        api.away, api.degraded = set(), False
        alert.get_by_role("button", name="Try again").click()
        expect(page.locator(".lastact")).to_contain_text("Liked")
        expect(page.locator(".notice")).to_have_count(0)
        assert [e["event_id"] for e in api.seen_events] == [sent[0]["events"][0]["event_id"]]


def test_what_an_act_changed_is_said_only_where_it_is_known(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium) as seen:
        seen.expected.add("503")
        page = seen.page
        seen.go(f"{api.url}#/shopper/shopper-03")
        expect(page.locator(".card")).to_have_count(18)
        api.away, api.retry_after = {"recommend"}, 1
        page.locator(".card").first.get_by_role("button", name="Like ").click()
        said = page.locator(".lastact")
        expect(said).to_contain_text("Liked")
        assert "in the list" not in said.inner_text()
        expect(page.locator(".card")).to_have_count(18)


def test_a_first_wish_is_waited_for_and_not_said_to_fit_nothing(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium) as seen:
        page, held = seen.page, []
        seen.go(f"{api.url}#/wish")
        page.route("**/api/v1/recommend", lambda route: held.append(route))
        page.locator("#wish").fill("a gift for a runner")
        page.keyboard.press("Enter")
        expect(page.locator(".waiting")).to_be_visible()
        expect(page.locator(".empty")).to_have_count(0)
        while not held:
            page.wait_for_timeout(20)
        expect(page.locator(".empty")).to_have_count(0)
        held[0].continue_()
        expect(page.locator(".card").first).to_be_visible()


def test_nothing_of_a_shopper_who_was_forgotten_stays_on_the_page(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium) as seen:
        page = seen.page
        seen.go(f"{api.url}#/shopper/shopper-03")
        expect(page.locator(".past .pastitem").first).to_be_visible()
        page.locator(".card").first.get_by_role("button", name="Like ").click()
        expect(page.locator(".lastact")).to_be_visible()
        page.get_by_role("button", name="Forget this shopper").click()
        page.get_by_role("button", name="Remove everything").click()
        expect(page.get_by_text("Everything about this shopper is removed.")).to_be_visible()
        expect(page.locator(".past .pastitem")).to_have_count(0)
        expect(page.locator(".lastact")).to_have_count(0)


def test_an_event_that_is_sent_again_keeps_its_id(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium) as seen:
        seen.expected.add("503")
        page = seen.page
        tried = []
        page.on("request", lambda r: tried.append(r.post_data_json["events"][0]["event_id"]) if r.url.endswith("/events") else None)
        seen.go(f"{api.url}#/shopper/shopper-03")
        api.away, api.retry_after = {"events"}, 4
        page.locator(".card").first.get_by_role("button", name="Buy ").click()
        page.locator(".notice.bad").get_by_role("button", name="Try again").click()
        expect(page.locator(".notice.bad").get_by_role("button")).to_be_disabled()
        api.away = set()
        page.locator(".notice.bad").get_by_role("button", name="Try again").click()
        expect(page.locator(".lastact")).to_contain_text("Bought")
        assert len(tried) == 3
        assert len(set(tried)) == 1


@pytest.mark.parametrize("view", ["", "#/shopper/nobody", "#/graph", "#/operator", "#/wish", "#/invent"])
def test_nothing_there_yet(chromium: Any, view: str) -> None:
    with FakeApi(empty=True) as api, opened(chromium, "phone") as seen:
        seen.go(f"{api.url}{view}")
        expect(seen.page.locator(".empty").first).to_be_visible()
        assert (seen.axe(), seen.too_wide()) == ([], 0)


def test_a_service_that_fails_and_comes_back(chromium: Any) -> None:
    with FakeApi(away={"recommend", "users"}) as api, opened(chromium) as seen:
        seen.expected |= {"503", "ERR_"}
        page = seen.page
        seen.go(f"{api.url}#/shopper/shopper-03")
        expect(page.locator(".notice.bad")).to_have_count(2)
        expect(page.locator(".notice.bad").first).to_contain_text("the store of events is away")
        assert seen.axe() == []
        api.away = set()
        page.locator(".notice.bad").first.get_by_role("button", name="Try again").click()
        expect(page.locator(".card").first).to_be_visible()
        page.locator(".notice.bad").get_by_role("button", name="Try again").click()
        expect(page.locator(".pastitem").first).to_be_visible()
        page.context.set_offline(True)
        page.get_by_label("New aisles only").check()
        expect(page.locator(".notice.bad").first).to_contain_text("cannot be reached")


@pytest.mark.parametrize("view", ["", "#/shopper/shopper-02", "#/graph", "#/operator"])
def test_dark_and_still(chromium: Any, view: str) -> None:
    """Dark colours keep their contrast; who wants no motion gets none."""
    with FakeApi() as api, opened(chromium, color_scheme="dark", reduced_motion="reduce") as seen:
        seen.go(f"{api.url}{view}")
        seen.page.locator(".person, .card, .node, .bars").first.wait_for()
        light = seen.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert max(light) < 60
        assert seen.page.evaluate("document.getAnimations().length") == 0
        assert seen.axe() == []


def test_the_language_is_changed_and_kept(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium) as seen:
        page = seen.page
        seen.go(f"{api.url}#/shopper/shopper-02")
        expect(page.locator(".reason").first).to_contain_text(re.compile("You bought|popularity"))
        page.get_by_role("button", name="中文").click()
        expect(page.locator(".reason").first).to_contain_text(re.compile("您购买过|热度"))
        page.reload()
        expect(page.get_by_role("heading", name="历史记录")).to_be_visible()


def test_words_of_both_languages(chromium: Any) -> None:
    """Each word is there twice, with the same names in braces; every word that the code asks for is there."""
    from fake_api import PAGES

    with FakeApi() as api, opened(chromium) as seen:
        seen.go(api.url)
        script = """async () => {
            const { WORDS } = await import(new URL('pages/js/words.js', document.baseURI));
            const plain = (w) => (typeof w === 'function' ? w(2) : w);
            const said = (words) => Object.fromEntries(Object.entries(words).map(([k, w]) => [k, plain(w)]));
            return { en: said(WORDS.en), zh: said(WORDS.zh) };
        }"""
        words = seen.page.evaluate(script)
    assert set(words["en"]) == set(words["zh"])
    names = {lang: {k: sorted(re.findall(r"\{(\w+)\}", w)) for k, w in words[lang].items()} for lang in words}
    assert names["en"] == names["zh"]
    code = "\n".join(p.read_text(encoding="utf-8") for p in sorted((PAGES / "js").glob("*.js")) if p.name != "words.js")
    asked = set(re.findall(r'\bt\("(\w+)"', code))
    assert len(asked) > 80
    assert asked <= set(words["en"])


def test_ways_and_places_by_hand(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium) as seen:
        seen.go(api.url)
        script = """async () => {
            const { strength, strongestWay, places } = await import(new URL('pages/js/layout.js', document.baseURI));
            const edge = (source, target, lift_low) => ({ source, target, kind: 'bought', lift_low });
            // from a to z straight: 1 - 1/1.25 = .2; by b: .5 * .75 = .375; from z to f are four steps, one too many
            const chain = [['z', 'c'], ['c', 'd'], ['d', 'e'], ['e', 'f']].map(([a, b]) => edge(a, b, 2));
            const edges = [edge('a', 'z', 1.25), edge('a', 'b', 2), edge('b', 'z', 4), ...chain];
            const near = [];
            for (const width of [300, 780]) for (let n = 1; n <= 36; n++) {
                const names = Array.from({ length: n }, (_, i) => String(i));
                const plan = places(names, width);
                for (const side of [1, -1]) {
                    const ys = [...plan.places.values()].filter((p) => p.side === side).map((p) => p.y).sort((a, b) => a - b);
                    ys.slice(1).forEach((y, i) => near.push(y - ys[i]));
                    if (ys.some((y) => y < 12 || y > plan.height - 12)) near.push(-1);
                }
                if ([...plan.places.values()].some((p) => p.x - plan.label < 0 && p.side === -1)) near.push(-2);
            }
            const way = (from, to) => strongestWay(edges, from, to);
            return [strength(edge('a', 'b', 0.5)), way('a', 'z'), way('c', 'f').nodes, way('z', 'f'), Math.min(...near)];
        }"""
        none, best, three, four, closest = seen.page.evaluate(script)
    assert none == 0
    assert best == {"nodes": ["a", "b", "z"], "worth": pytest.approx(0.375)}
    assert three == ["c", "d", "e", "f"]
    assert four is None
    assert closest >= 18


def test_a_shop_of_one_aisle(chromium: Any) -> None:
    """Its list is as long as any other, no aisle is new, and its graph shows what leads where inside."""
    with FakeApi() as api, opened(chromium, "phone") as seen:
        page = seen.page
        api.items = [i.moved("Things") for i in api.items]
        api.by_id = {i.item_id: i for i in api.items}
        nodes = [{"level": 1, "name": "Things", "aisle": "Things", "items": 48, "users": 9, "events": 9}]
        nodes += [{"level": 2, "name": f"Things > {n}", "aisle": "Things", "items": 1, "users": 5, "events": 5} for n in "ab"]
        edge = {"level": 2, "source": "Things > a", "target": "Things > b", "kind": "bought", "lift": 2.0, "lift_low": 1.5, "together": 5}
        api.told_graph = {"levels": 2, "nodes": nodes, "edges": [edge]}
        seen.go(f"{api.url}#/shopper/shopper-02")
        expect(page.locator(".card")).to_have_count(18)
        expect(page.get_by_label("New aisles only")).to_be_disabled()
        expect(page.get_by_label("Include what they had")).to_be_enabled()
        seen.go(f"{api.url}#/graph")
        expect(page.locator(".node")).to_have_count(2)
        page.locator(".stepto").first.click()
        expect(page.locator(".step")).to_have_count(2)


def test_a_look_is_in_the_history_at_once(chromium: Any) -> None:
    """What the service learned from an opened card, the history shows and the labels follow, without a reload."""
    with FakeApi() as api, opened(chromium) as seen:
        page = seen.page
        seen.go(f"{api.url}#/shopper/shopper-02")
        expect(page.locator(".past .pastitem").first).to_be_visible()
        fresh = page.locator(".aisle", has=page.locator(".badge", has_text="new aisle")).first
        expect(fresh).to_be_visible()
        aisle, title = fresh.locator("h3").inner_text().removesuffix(" new aisle"), fresh.locator("h4").first.inner_text()
        fresh.locator("h4 button").first.click()
        page.get_by_role("button", name="Close").click()
        looked = page.locator(".past", has_text=title)
        expect(looked).to_contain_text("looked at")
        expect(page.locator(".aisle h3", has_text=aisle)).to_have_text(aisle)
        api.away = {"events"}  # a look that is not counted changes nothing, and says nothing
        seen.expected.add("503")
        other = page.locator(".aisle", has=page.locator(".badge", has_text="new aisle")).first.locator("h4 button").first
        title = other.inner_text()
        other.click()
        page.get_by_role("button", name="Close").click()
        expect(page.locator(".past", has_text=title)).to_have_count(0)
        expect(page.locator(".notice")).to_have_count(0)


def test_aisles_of_long_ago_are_not_new(chromium: Any) -> None:
    """The events that are given are the newest 200; the aisles are those of all."""
    with FakeApi() as api, opened(chromium) as seen:
        page = seen.page
        first, *others = [i for i in api.items if i.category != api.items[0].category]
        of_first = [i for i in api.items if i.category == first.category]
        late = [i for i in others if i.category != first.category][:3]
        bought = [of_first[0], *[late[k % 3] for k in range(230)]]
        api.people["long"] = [{"item_id": i.item_id, "event": "purchase", "timestamp": 1.7e9 + k} for k, i in enumerate(bought)]
        seen.go(f"{api.url}#/shopper/long")
        expect(page.locator(".aisle").first).to_be_visible()
        expect(page.locator(".newest")).to_have_text("The newest 200 are given here.")
        page.locator(".pick select").select_option(first.category)
        expect(page.locator(".aisle")).to_have_count(1)
        expect(page.locator(".aisle h3")).to_have_text(first.category.replace("_", " "))


def test_a_long_history_is_folded(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium, "phone") as seen:
        page = seen.page
        api.items = [item.moved(f"Aisle {n // 2:02d}") for n, item in enumerate(api.items)]
        api.by_id = {i.item_id: i for i in api.items}
        bought = [item for item in api.items for _ in range(4)]
        api.people["long"] = [{"item_id": i.item_id, "event": "purchase", "timestamp": 1.7e9 + k} for k, i in enumerate(bought)]
        seen.go(f"{api.url}#/shopper/long")
        expect(page.locator(".past")).to_have_count(6)
        expect(page.locator(".past .pastitem")).to_have_count(24)
        assert page.locator("aside").bounding_box()["height"] < 2600
        expect(page.get_by_role("button", name="Forget this shopper")).to_be_visible()
        assert (seen.axe(), seen.too_wide()) == ([], 0)
        every = page.get_by_role("button", name=f"Show all {len(api.items) // 2} aisles")
        expect(every).to_have_attribute("aria-expanded", "false")
        page.locator("#history").focus()
        seen.tab_to("Show all 24 aisles")
        page.keyboard.press("Enter")
        expect(page.locator(".past")).to_have_count(24)
        fewer = page.get_by_role("button", name="Show fewer aisles")
        expect(fewer).to_have_attribute("aria-expanded", "true")
        expect(fewer).to_be_focused()
        page.locator(".past").first.get_by_role("button", name="Show all 8").click()
        expect(page.locator(".past").first.locator(".pastitem")).to_have_count(8)
        fewer.click()
        expect(page.locator(".past")).to_have_count(6)


def test_what_somebody_had_is_listed_where_it_is_asked_for(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium) as seen:
        page = seen.page
        seen.go(f"{api.url}#/shopper/shopper-02")
        had = page.locator(".pastitem").first.inner_text().split("\n")[0]
        same = page.locator(".card h4").filter(has_text=re.compile(f"^{re.escape(had)}$"))
        expect(page.locator(".card").first).to_be_visible()
        expect(same).to_have_count(0)
        again, new = page.get_by_label("Include what they had"), page.get_by_label("New aisles only")
        again.check()
        expect(same).to_have_count(1)
        new.check()  # what they had is of no new aisle
        expect(same).to_have_count(0)
        new.uncheck()
        expect(same).to_have_count(1)
        again.uncheck()
        new.check()
        expect(again).to_be_disabled()
        seen.go(f"{api.url}#/shopper/somebody-new")
        expect(page.locator(".card").first).to_be_visible()
        expect(again).to_be_disabled()
        api.items = [i.moved("") for i in api.items]  # a shop without aisles
        api.by_id = {i.item_id: i for i in api.items}
        seen.go(f"{api.url}#/shopper/shopper-03")
        expect(page.locator(".card").first).to_be_visible()
        expect(again).to_be_enabled()
        expect(new).to_be_disabled()


def test_what_is_said_of_an_act_goes_with_its_list(chromium: Any) -> None:
    with FakeApi() as api, opened(chromium) as seen:
        page = seen.page
        seen.go(f"{api.url}#/shopper/shopper-02")
        another = [
            lambda: (page.locator("#wish").fill("a gift for a runner"), page.keyboard.press("Enter")),
            lambda: page.get_by_role("button", name="Clear").click(),
            lambda: page.get_by_label("New aisles only").check(),
            lambda: page.get_by_label("New aisles only").uncheck(),
            lambda: page.get_by_label("Include what they had").check(),
            lambda: page.get_by_label("Include what they had").uncheck(),
            lambda: page.locator(".pick select").select_option(index=1),
        ]
        for ask in another:
            page.locator(".card .buy").first.click()
            expect(page.locator(".lastact")).to_contain_text("Bought")
            ask()
            expect(page.locator(".lastact")).to_have_count(0)
            expect(page.locator("[aria-labelledby=foryou]")).to_have_attribute("aria-busy", "false")
            expect(page.locator(".card.fresh")).to_have_count(0)
            expect(page.locator(".card").first).to_be_visible()


REFUSED = {
    "en": ["did not accept", "the wish '！！！' holds no word", "Expected: some words", 'Next: write a few words, for example "a gift"'],
    "zh": ["服务未接受该请求", "服务的说明：心愿 '！！！' 中没有词语", "应为：几个词语", '下一步：写几个词语，例如 "a gift"'],
}


@pytest.mark.parametrize("size", ["desk", "phone"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_wish_that_is_refused(chromium: Any, lang: str, size: str) -> None:
    """All that the service says is shown, in the language of the page where it is known, and nothing is offered that cannot help."""
    with FakeApi(lang) as api, opened(chromium, size, LANGUAGES[lang]) as seen:
        seen.expected.add("422")
        page = seen.page
        for view in ("#/wish", "#/shopper/shopper-02"):
            seen.go(f"{api.url}{view}")
            page.locator("#wish").fill("！！！")
            page.keyboard.press("Enter")
            for part in REFUSED[lang]:
                expect(page.locator(".notice.bad")).to_contain_text(part)
            expect(page.locator(".notice.bad button")).to_have_count(0)
            assert (seen.axe(), seen.too_wide()) == ([], 0)


@pytest.mark.parametrize(("status", "again"), [(400, 0), (404, 0), (408, 1), (413, 0), (422, 0), (429, 1), (500, 1), (503, 1), (0, 1)])
def test_only_what_can_help_is_offered(chromium: Any, status: int, again: int) -> None:
    with FakeApi() as api, opened(chromium, locale="zh-CN") as seen:
        seen.expected |= {"Failed to load", "ERR_"}
        body = '{"error": {"found": "something new", "expected": "", "next": "do <b>this</b>"}}'
        answer = (lambda r: r.fulfill(status=status, body=body)) if status else (lambda r: r.abort())
        seen.page.route("**/api/v1/shoppers*", answer)
        seen.go(api.url)
        expect(seen.page.get_by_role("alert")).to_be_visible()
        expect(seen.page.get_by_role("alert").get_by_role("button", name="重试")).to_have_count(again)
        if status:  # unknown words stay as they are, framed by known ones
            expect(seen.page.get_by_role("alert")).to_contain_text("服务的说明：something new")
            expect(seen.page.get_by_role("alert").locator("[lang=en]").last).to_have_text("do <b>this</b>")


@pytest.mark.parametrize("size", ["desk", "phone"])
@pytest.mark.parametrize("letter", ["W", "m", "l", "宽"])
def test_labels_stay_inside_the_picture(chromium: Any, size: str, letter: str) -> None:
    """Wide letters are cut sooner; also bold ones, of the node that one stands on."""
    with FakeApi() as api, opened(chromium, size) as seen:
        page = seen.page
        names = [f"{letter * 5} {letter * 5} {k}" for k in range(8)]
        links = [(names[a], names[b]) for a in range(8) for b in range(8) if a != b]
        nodes = [{"level": 1, "name": n, "aisle": n, "items": 3, "users": 9, "events": 9} for n in names]
        edge = {"level": 1, "kind": "bought", "lift": 2.0, "lift_low": 1.5, "together": 5}
        api.told_graph = {"levels": 1, "nodes": nodes, "edges": [edge | {"source": a, "target": b} for a, b in links]}
        seen.go(f"{api.url}#/graph")
        expect(page.locator(".node")).to_have_count(8)
        script = """() => {
            const box = document.querySelector('.picture').getBoundingClientRect();
            const all = [...document.querySelectorAll('.node text')].map((t) => t.getBoundingClientRect());
            return Math.min(...all.flatMap((r) => [r.left - box.left, box.right - r.right]));
        }"""
        for k in range(8):
            page.locator(".node").nth(k).click()
            assert page.evaluate(script) >= 2
        shown = page.locator(".node text").evaluate_all("(all) => all.map((t) => t.firstChild.data)")
        assert all(text.rstrip("…") in name for text, name in zip(shown, names, strict=True))
        assert min(len(text) for text in shown) >= 5
        assert letter != "l" or shown == names, "what fits is not cut"


def test_what_the_service_says_in_chinese(chromium: Any) -> None:
    """Every sentence that is known, whole or with a gap, and nothing else; the order of the gaps follows their names."""
    with FakeApi() as api, opened(chromium) as seen:
        seen.go(api.url)
        script = """async (texts) => {
            const { teller } = await import(new URL('pages/js/words.js', document.baseURI));
            return ['en', 'zh'].map((lang) => texts.map(teller(lang)));
        }"""
        texts = {
            "the newest item of each history, held back; the whole catalogue ranked, items already seen left out": None,
            "the newest 4,120 events of 600 people, held back at the refit and asked one by one": "600 人最新的 4,120 次",
            "better: N@10 0.2 against 0.1, difference +0.1 [+0.0, +0.2]; its lower end is not below the margin -0.01": "更好：N@10 为 0.2",
            "v0002 was rolled back": "v0002 已回退",
            "nothing of the wish 'a; b' can be read: its words are not in the catalogue": "读不懂心愿 'a; b'：",
            "something else; 3 questions about 2 people could have shown a difference of 0.1": "something else；就 2 人提出的 3 个问题",
            "constructor": "constructor",
            "a sentence of tomorrow; and one more": "a sentence of tomorrow; and one more",
        }
        en, zh = seen.page.evaluate(script, list(texts))
    assert en == list(texts)
    assert zh[0] == "每位顾客最新的一件商品（事先留出）；在整个商品目录中排序，不计已接触过的商品"
    for said, want in list(zip(zh, texts.values(), strict=True))[1:]:
        assert said.startswith(want)
    assert zh[-2:] == list(texts)[-2:]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_operator_reads_it_in_their_language(chromium: Any, lang: str) -> None:
    with FakeApi(lang) as api, opened(chromium, "phone", LANGUAGES[lang]) as seen:
        page = seen.page
        told = api.overview()
        told["trainings"][0]["curves"] = {"training": told["trainings"][0]["curves"]["choosing when to stop"]}
        api.overview = lambda: told  # type: ignore[method-assign]
        seen.go(f"{api.url}#/operator")
        expect(page.locator(".training h4").last).to_have_text({"en": "Training", "zh": "训练"}[lang])
        for row, want in zip(page.locator("[aria-labelledby=newitems] .row").all(), ("64", "1", "0"), strict=True):
            expect(row).to_contain_text({"en": "shown once" if want == "1" else f"shown {want} times", "zh": f"展示 {want} 次"}[lang])
        quality = page.locator("[aria-labelledby=quality]")
        expect(quality).to_contain_text({"en": "inside the aisle · N@10", "zh": "新品类（仅在品类内） · N@10"}[lang])
        expect(quality).to_contain_text({"en": "not to be compared", "zh": "不能与其他数值相比"}[lang])
        if lang == "zh":
            words = quality.inner_text() + page.locator("[aria-labelledby=swaps]").inner_text()
            assert re.findall(r"[A-Za-z]{3,}", words) == []
        assert (seen.axe(), seen.too_wide()) == ([], 0)
