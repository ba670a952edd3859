"""The pictures in docs/pictures, of the page over the toy shop of the tests: ``python tests/serve/page_pictures.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fake_api import FakeApi
from page_kit import browser, opened
from PIL import Image

OUT = Path(__file__).resolve().parents[2] / "docs" / "pictures"
LARGEST = 200_000
PALETTE = 200  # colours: a third of the size, and nothing that one would see


def hidden(page: Any) -> None:
    page.locator(".card .hide").first.click()
    page.locator(".struck").wait_for()


def walked(page: Any) -> None:
    page.locator(".pick select").select_option("2")
    page.locator(".node").first.click()
    page.locator(".stepto").first.click()
    page.locator(".stepto").first.click()
    page.mouse.move(0, 0)


def wished(page: Any) -> None:
    page.locator("#wish").fill("送给跑步爱好者的礼物")
    page.keyboard.press("Enter")
    page.locator(".reason", has_text="符合").first.wait_for()


def nothing(page: Any) -> None:
    page.locator(".curve").first.wait_for()


# name, language of shop and page, size, address, what is done first, options of the browser, height
PICTURES = [
    ("shopper", "en", "desk", "#/shopper/shopper-08", hidden, {}, 1000),
    ("shopper-phone", "en", "phone", "#/shopper/shopper-08", hidden, {"color_scheme": "dark"}, 844),
    ("graph", "en", "desk", "#/graph", walked, {}, 860),
    ("operator", "en", "desk", "#/operator", nothing, {}, 1150),
    ("wish-zh", "zh", "desk", "#/shopper/shopper-08", wished, {}, 860),
]


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    with browser() as running:
        for name, lang, size, address, do, options, height in PICTURES:
            locale = "zh-CN" if lang == "zh" else "en-GB"
            with FakeApi(lang) as api, opened(running, size, locale, reduced_motion="reduce", **options) as seen:
                page = seen.page
                page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
                seen.go(f"{api.url}{address}")
                page.locator(".card, .node, .curve").first.wait_for()
                do(page)
                page.wait_for_timeout(300)
                page.screenshot(path=OUT / f"{name}.png")
            Image.open(OUT / f"{name}.png").convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE).save(
                OUT / f"{name}.png", optimize=True
            )
            weight = (OUT / f"{name}.png").stat().st_size
            assert weight < LARGEST, f"{name}.png has {weight} bytes; at most {LARGEST}"
            print(f"{name}.png {weight // 1000} kB")


if __name__ == "__main__":
    main()
