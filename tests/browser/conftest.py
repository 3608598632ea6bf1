"""Pages in a real browser: Debian's Chromium, driven by Playwright. Skipped, with the reason, where there is none."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SERIOUS = ("serious", "critical")  # axe-core's words


@dataclass
class Visit:
    """An open page, what its console complained of, and which requests left it."""

    page: object
    complaints: list = field(default_factory=list)
    requests: list = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium():
    """The browser, once for all tests of a process."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: install Debian's `chromium`")
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
    yield browser
    browser.close()
    playwright.stop()


@pytest.fixture
def visit(chromium):
    """Gives a function that opens a file as a page of a width in pixels; `dark` asks for the dark scheme, and on a
    `phone` fingers zoom."""
    contexts = []

    def open_page(
        file: Path, width: int = 1280, height: int = 900, dark: bool = False, touch: bool = False, phone: bool = False
    ) -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=touch or phone,
            is_mobile=phone,
            accept_downloads=True,
        )
        contexts.append(context)
        seen = Visit(context.new_page())
        seen.page.on("console", lambda m: seen.complaints.append(m.text) if m.type in ("error", "warning") else None)
        seen.page.on("pageerror", lambda e: seen.complaints.append(str(e)))
        seen.page.on("request", lambda r: seen.requests.append(r.url))
        seen.page.goto(Path(file).resolve().as_uri())
        return seen

    yield open_page
    for context in contexts:
        context.close()


def violations(page) -> list[str]:
    """What axe-core finds serious on the page, as `rule: element`."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {n['html'][:120]}" for v in found if v["impact"] in SERIOUS for n in v["nodes"]]
