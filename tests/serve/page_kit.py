"""A browser for the tests of the page: Debian's chromium by Playwright, and a page that remembers every fault it met."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AXE = Path(__file__).parent / "axe" / "axe.min.js"
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str | None:
    """Where chromium is on this machine."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


@contextmanager
def browser() -> Iterator[Any]:
    """A running chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        try:
            yield running
        finally:
            running.close()


@dataclass
class Seen:
    """One page with what went wrong on it.

    Attributes
    ----------
    page : playwright.sync_api.Page
    faults : list of str
        Console errors, exceptions and breaches of the content security policy.
    expected : set of str
        Texts of faults that the test means to cause.
    """

    page: Any
    faults: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)

    def go(self, url: str) -> None:
        """To an address, as after a fresh start of the page."""
        self.page.goto("about:blank")
        self.page.goto(url)
        self.page.locator("main h1").wait_for()

    def axe(self) -> list[str]:
        """Serious and critical faults that axe-core finds in what is shown now."""
        moving = "document.getAnimations().some((a) => a.playState === 'running' && a.effect.getComputedTiming().endTime !== Infinity)"
        while self.page.evaluate(moving):  # a colour on its way is no colour to judge; the browser's own waiting would need eval
            self.page.wait_for_timeout(50)
        self.page.evaluate(AXE.read_text(encoding="utf-8") + ";undefined")
        found = self.page.evaluate("axe.run({resultTypes: ['violations']}).then((r) => r.violations)")
        return [
            f"{v['id']} ({v['impact']}): {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for v in found
            if v["impact"] in ("serious", "critical")
            for node in v["nodes"]
        ]

    def too_wide(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def focused(self) -> str:
        """What the keyboard is on: its name for screen readers, or its text."""
        script = "() => { const e = document.activeElement; return e.getAttribute('aria-label') || e.innerText || e.id || e.tagName; }"
        return str(self.page.evaluate(script))

    def tab_to(self, name: str, most: int = 120) -> None:
        """Press Tab until the keyboard is on what is called ``name``."""
        seen = []
        for _ in range(most):
            self.page.keyboard.press("Tab")
            seen.append(self.focused())
            if seen[-1].strip().startswith(name):
                return
        raise AssertionError(f"Tab never reached {name!r}; it went over {seen}")


@contextmanager
def opened(running: Any, size: str = "desk", locale: str = "en-GB", **options: Any) -> Iterator[Seen]:
    """A page in a context of its own; leaving it with an unexpected fault fails."""
    from playwright.sync_api import expect

    width, height = SIZES[size]
    context = running.new_context(viewport={"width": width, "height": height}, locale=locale, has_touch=size == "phone", **options)
    context.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)  # for a machine that does much besides
    seen = Seen(context.new_page())
    seen.page.on("console", lambda m: seen.faults.append(f"console {m.type}: {m.text}") if m.type in ("error", "warning") else None)
    seen.page.on("pageerror", lambda e: seen.faults.append(f"exception: {e}"))
    seen.page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI));"
    )
    try:
        yield seen
    finally:
        context.close()
    left = [fault for fault in seen.faults if not any(text in fault for text in seen.expected)]
    assert not left, left
