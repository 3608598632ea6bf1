"""The report in a real browser."""

import pytest

from augmentor.report.html import report
from tests.browser.conftest import violations
from tests.report.fake import write_all

WIDTHS = (390, 1280)
BOXES = ", ".join(f"main {kind}" for kind in ("figure", "img", "h2", "h3", "p", "pre", ".scroll"))
PARENTS = "main, section, details[open], figure, .beside, .groups, .group, .tiles"
MISPLACED = """([boxes, parents]) => {
  const told = [], main = document.querySelector('main').getBoundingClientRect();
  const name = (element) => `${element.tagName} ${(element.textContent || element.alt || '').trim().slice(0, 40)}`;
  for (const element of document.querySelectorAll(boxes)) {
    if (element.closest('.groups')) continue;  // which scroll what is wider
    const box = element.getBoundingClientRect();
    if (box.width && (box.left < main.left - 1 || box.right > main.right + 1)) told.push(`cut off: ${name(element)}`);
  }
  for (const parent of document.querySelectorAll(parents)) {
    const seen = [...parent.children].map((child) => [child, child.getBoundingClientRect()]);
    seen.forEach(([first, a], place) => seen.slice(place + 1).forEach(([second, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 1) told.push(`overlap: ${name(first)} and ${name(second)}`);
    }));
  }
  return told;
}"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return report([write_all(folder / "all", size=96)], folder / "report")


def unfold(page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true })")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_opens_without_a_complaint_and_without_leaving_itself(visit, page_file, width, dark):
    seen = visit(page_file, width, dark=dark)
    unfold(seen.page)
    assert seen.complaints == []
    assert {url for url in seen.requests if not url.startswith(("data:", "blob:"))} == {page_file.resolve().as_uri()}
    assert violations(seen.page) == []
    assert seen.page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth)")


@pytest.mark.parametrize("zoom", [1, 4])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overlaps_is_cut_off_or_scrolls_the_page(visit, page_file, width, zoom):
    page = visit(page_file, width).page
    unfold(page)
    for choice in page.locator(f".zoom [value='{zoom}']").all():
        choice.check()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(MISPLACED, [BOXES, PARENTS]) == []


@pytest.mark.parametrize("style", ["figcaption { margin-top: -3rem }", "h3 { margin-left: -9rem }"])
def test_misplaced_parts_would_be_seen(visit, page_file, style):
    page = visit(page_file).page
    page.add_style_tag(content=style)
    assert page.evaluate(MISPLACED, [BOXES, PARENTS])


def test_a_wide_table_is_scrolled_by_the_keyboard(visit, page_file):
    page = visit(page_file, 390).page
    table = page.locator(".scroll").first
    table.focus()
    assert table.evaluate("(part) => part.scrollWidth > part.clientWidth")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(part) => part.scrollLeft > 0", arg=table.element_handle(), timeout=2000)


def test_lesions_have_their_true_size_times_the_zoom_and_no_smoothing(visit, page_file):
    page = visit(page_file).page
    lesion = page.get_by_alt_text("real cyst, 1 of 4")
    assert lesion.bounding_box()["width"] == 96
    page.locator(".zoom [value='3']").first.check()
    assert lesion.bounding_box()["width"] == 3 * 96
    assert lesion.evaluate("(image) => getComputedStyle(image).imageRendering") == "pixelated"


def test_on_paper_what_was_folded_is_open_and_controls_are_gone(visit, page_file):
    page = visit(page_file).page
    page.emulate_media(media="print")
    assert page.get_by_text("McNemar's exact test").first.is_visible()
    assert not page.locator(".zoom").first.is_visible()
    assert not page.locator("nav").is_visible()
