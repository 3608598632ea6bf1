"""A reader at the page of a blind reading: keys, mouse, touch, reload, the saved answers."""

import numpy as np
import pandas as pd
import pytest

from augmentor.data.intensity import Intensity
from augmentor.reading.page import make_page, write_page
from augmentor.reading.score import score_reading
from tests.browser.conftest import violations
from tests.reading.kits import CLASSES, plain_key

LESIONS, SIZE = 10, 16


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "reading", 1, 2001)


def make_folder(folder, channels, levels, classes=CLASSES, span=None):
    """A reading without a run: ten lesions of noise, for anna. span: lowest and highest value of the files."""
    key = plain_key(LESIONS // 2, readers=("anna",), folder=folder)
    rng = np.random.default_rng(0)
    lesions = {name: rng.integers(0, levels, (channels, SIZE, SIZE)).astype(np.uint16) for name in key.ids}
    intensity = Intensity(*(span or (-1000, levels - 1001)), "float32" if span else "int16")
    page = make_page(key.reading, "anna", list(classes), lesions, levels, intensity)
    write_page(page, folder / "anna.html")
    return folder


def place(page):
    return page.locator("#place").text_content()


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def saved(page, folder):
    """The file that the save button gives."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save answers").click()
    assert download.value.suggested_filename == "answers-anna.csv"
    download.value.save_as(folder / "answers-anna.csv")
    return pd.read_csv(folder / "answers-anna.csv", dtype=str)


def clean(seen):
    """Nothing left the page, and its console is empty."""
    outside = [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))]
    return not outside and sum(url.startswith("file:") for url in seen.requests) <= 2 and not seen.complaints


def test_a_reader_answers_by_keyboard_reloads_saves_and_is_scored(visit, folder):
    seen = visit(folder / "anna.html")
    page = seen.page
    for number in range(4):
        press(page, "1" if number % 2 else "2", "2", "4", "ArrowRight")
    press(page, "1")  # and leaves in the middle of the fifth
    page.reload()
    assert place(page) == "Lesion 5 of 10"
    assert page.locator("#answered").text_content() == "4 answered"
    assert page.get_by_role("button", name="Real").get_attribute("aria-pressed") == "true"
    press(page, "2", "4", "Enter")
    for number in range(5, 10):
        press(page, "1" if number % 2 else "2", "2", "4", "Enter")
    table = saved(page, folder)
    assert table["kind"].tolist() == ["synthetic", "real"] * 2 + ["real"] + ["real", "synthetic"] * 2 + ["real"]
    assert set(table["label"]) == {CLASSES[1]}
    assert set(table["confidence"]) == {"4"}
    assert (table["seconds"].astype(float) < 60).all()
    assert clean(seen)
    result = score_reading(folder)
    assert result["readers"][0]["kind"]["n"] == LESIONS
    assert result["readers"][0]["label"]["real"]["right"] == 2


def test_answers_can_be_changed_by_going_back(visit, folder):
    page = visit(folder / "anna.html").page
    press(page, "1", "1", "1", "ArrowRight", "ArrowLeft", "2")
    assert page.get_by_role("button", name="Synthetic").get_attribute("aria-pressed") == "true"
    press(page, "ArrowUp", "ArrowUp", "5")  # from behind the last question up to the class, which has no fifth
    assert page.locator("#label [aria-pressed=true]").text_content() == "1" + CLASSES[0]
    press(page, "ArrowDown", "5")
    assert "certain" in page.locator("#confidence [aria-pressed=true]").text_content()


def test_mouse_alone_will_do(visit, folder):
    page = visit(folder / "anna.html").page
    for _ in range(LESIONS):
        for name in ("Synthetic", CLASSES[0], "guess"):
            page.get_by_role("button", name=name).click()
        page.get_by_role("button", name="Next").click()
    assert set(saved(page, folder)["kind"]) == {"synthetic"}


def chosen(page):
    """The answers to the lesion that is shown, as their buttons' values."""
    return page.evaluate("[...document.querySelectorAll('[aria-pressed=true]')].map((button) => button.dataset.value)")


SYNTHETIC = ["synthetic", CLASSES[1], "4"]  # the keys 2, 2, 4
PRESSED = ["#kind button", "#label button", "#confidence button", "#back", "#next", "#reset", "#save", "summary"]


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
@pytest.mark.parametrize("pressed", PRESSED)
def test_enter_after_keys_goes_on_whatever_was_pressed_by_pointer(visit, folder, pressed, touch):
    page = visit(folder / "anna.html", touch=touch).page
    button = page.locator(pressed).first
    button.tap() if touch else button.click()
    press(page, *["ArrowLeft"] * LESIONS, "ArrowRight", "2", "2", "4", "Space")
    assert (place(page), chosen(page)) == ("Lesion 2 of 10", SYNTHETIC)
    press(page, "Enter")
    assert (place(page), chosen(page)) == ("Lesion 3 of 10", [])
    press(page, "ArrowLeft")
    assert chosen(page) == SYNTHETIC


def test_enter_goes_on_after_answers_by_mouse_alone(visit, folder):
    page = visit(folder / "anna.html").page
    for name in ("Synthetic", CLASSES[1], "certain"):
        page.get_by_role("button", name=name).click()
    press(page, "Enter")
    assert place(page) == "Lesion 2 of 10"
    press(page, "Enter")
    assert place(page) == "Lesion 2 of 10"


def test_a_button_that_the_mouse_was_taken_away_from_is_not_pressed_by_enter(visit, folder):
    page = visit(folder / "anna.html").page
    press(page, "2", "2", "4")
    page.get_by_role("button", name="Real").hover()
    page.mouse.down()
    page.mouse.move(5, 5)
    page.mouse.up()
    press(page, "Enter", "ArrowLeft")
    assert chosen(page) == SYNTHETIC


def test_tab_with_enter_and_space_presses_buttons(visit, folder):
    page = visit(folder / "anna.html").page
    page.get_by_role("button", name="Reset").focus()
    press(page, "Tab", "Tab", "Enter", "Tab")  # past the smoothing
    assert chosen(page) == ["real"]
    press(page, "Space")
    assert chosen(page) == ["synthetic"]
    press(page, *["Tab"] * 2, "Enter", *["Tab"] * 4, "Space")
    assert chosen(page) == SYNTHETIC
    press(page, "Tab", "Tab", "Tab", "Enter", "Space", "Enter")
    assert place(page) == "Lesion 4 of 10"
    press(page, "Shift+Tab", "Enter", "Enter", "Enter")
    assert (place(page), chosen(page)) == ("Lesion 1 of 10", SYNTHETIC)


def test_enter_after_keys_goes_on_whatever_was_reached_by_tab(visit, folder):
    page = visit(folder / "anna.html").page
    page.get_by_role("button", name="Reset").focus()
    press(page, "Tab", "Tab", "Enter", "ArrowRight", "2", "2", "4", "Enter")
    assert place(page) == "Lesion 3 of 10"
    press(page, "ArrowLeft")
    assert chosen(page) == SYNTHETIC


@pytest.mark.parametrize("by_mouse", [False, True])
def test_tab_goes_on_from_where_the_focus_was_taken(visit, folder, by_mouse):
    page = visit(folder / "anna.html").page
    page.get_by_role("button", name="Reset").focus()
    real = page.get_by_role("button", name="Real")
    if by_mouse:
        real.click()
    else:
        press(page, "Tab", "Tab")
        press(page, "1")
    assert real.evaluate("(button) => document.activeElement !== button")
    press(page, "Tab")
    assert page.evaluate("document.activeElement.dataset.value") == "synthetic"


def test_an_unfinished_reading_is_not_saved_but_led_to_what_is_open(visit, folder):
    page = visit(folder / "anna.html").page
    press(page, "1", "1", "1", "ArrowRight", "1", "1", "1", "ArrowRight", "ArrowRight")
    page.get_by_role("button", name="Save answers").click()
    assert place(page) == "Lesion 3 of 10"
    assert page.locator("#told").text_content().startswith("Lesion 3 (and 7 more) still lacks an answer")


def test_time_is_that_spent_at_each_lesion(visit, folder):
    page = visit(folder / "anna.html").page
    page.wait_for_timeout(700)
    for _ in range(LESIONS):
        press(page, "1", "1", "1", "ArrowRight")
    seconds = saved(page, folder)["seconds"].astype(float)
    assert seconds[0] >= 0.7
    assert seconds[1:].max() < 0.7


PIXEL = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 16, 16).data].filter((_, i) => i % 4 == 0)"


def test_dragging_changes_the_grey_window_and_reset_brings_it_back(visit, folder):
    page = visit(folder / "anna.html").page
    lesion = page.locator("#lesion")
    before, told = lesion.evaluate(PIXEL), page.locator("#window").text_content()
    assert len(set(before)) > 60
    box = lesion.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 150)
    page.mouse.up()
    darker = lesion.evaluate(PIXEL)
    assert sum(darker) < sum(before)
    assert page.locator("#window").text_content() != told
    press(page, "0")
    assert lesion.evaluate(PIXEL) == before


def test_the_grey_window_can_be_set_without_a_mouse(visit, folder):
    page = visit(folder / "anna.html").page
    before = sum(page.locator("#lesion").evaluate(PIXEL))
    page.get_by_label("Level").focus()
    press(page, *["ArrowRight"] * 20, "PageUp")
    assert sum(page.locator("#lesion").evaluate(PIXEL)) < before
    assert place(page) == "Lesion 1 of 10"


@pytest.mark.parametrize("levels", [2, 60, 256, 2001, 65536])
@pytest.mark.parametrize("slider", ["Level", "Width"])
def test_a_press_moves_the_grey_window_by_a_hundredth_of_the_range(visit, tmp_path, slider, levels):
    page = visit(make_folder(tmp_path / "reading", 1, levels) / "anna.html").page
    page.get_by_label(slider).focus()
    press(page, "Home", "ArrowRight")
    least, at = int(slider == "Width"), page.evaluate(f"grey.{slider.lower()}")
    assert at == levels - 1 or max(1, 0.005 * levels) <= at - least <= max(1, 0.01 * levels)
    press(page, "ArrowLeft")
    assert page.evaluate(f"grey.{slider.lower()}") == least
    press(page, "End")
    assert page.evaluate(f"grey.{slider.lower()}") == levels - 1


SPANS = [(0, 0.001), (0, 0.3), (-1, 1), (1000, 1020), (0, 255), (-1000, 30000), (0, 1e-9)]


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_the_window_is_told_as_finely_as_the_range_needs(visit, tmp_path, span):
    page = visit(make_folder(tmp_path / "reading", 1, 2001, span=span) / "anna.html").page
    told = [page.locator("#window").text_content()]
    for slider in ("Level", "Width"):
        page.get_by_label(slider).focus()
        for _ in range(5):
            press(page, "ArrowLeft")
            told.append(page.locator("#window").text_content())
    assert len(set(told)) == len(told)  # each press can be told
    middle, half = map(float, told[0].split(" ± "))
    size = span[1] - span[0]
    assert abs(middle - sum(span) / 2) < 0.03 * size
    assert abs(half - size / 2) < 0.02 * size
    assert len(told[0].split(" ± ")[1].replace(".", "").lstrip("0")) <= 5  # and not more finely


def test_the_window_of_files_of_one_value_is_told(visit, tmp_path):
    seen = visit(make_folder(tmp_path / "reading", 1, 2001, span=(7, 7)) / "anna.html")
    assert seen.page.locator("#window").text_content() == "7.000 ± 0.000"
    assert clean(seen)


def test_the_window_is_told_in_the_units_of_the_files(visit, folder):
    middle, half = visit(folder / "anna.html").page.locator("#window").text_content().split(" ± ")
    assert abs(float(middle)) < 60  # of levels from -1000 to 1000
    assert 900 < float(half) <= 1000


def test_smoothing_is_a_toggle(visit, folder):
    page = visit(folder / "anna.html").page
    rendering = "canvas => getComputedStyle(canvas).imageRendering"
    assert page.locator("#lesion").evaluate(rendering) == "pixelated"
    press(page, "s")
    assert page.get_by_label("Smooth").is_checked()
    assert page.locator("#lesion").evaluate(rendering) == "auto"


def test_touch_answers(visit, folder):
    page = visit(folder / "anna.html", width=390, height=844, touch=True).page
    page.get_by_role("button", name="Synthetic").tap()
    page.get_by_role("button", name=CLASSES[1]).tap()
    page.locator("#confidence button").nth(3).tap()
    assert page.locator("#answered").text_content() == "1 answered"


BOX = """(element) => {
  const box = element.getBoundingClientRect();
  return [Math.round(box.top), Math.round(box.bottom)];
}"""


def in_view(page, name, below=0):
    """Whether the whole of an element is on the screen, over the lowest `below` pixels."""
    top, bottom = page.locator(name).evaluate(BOX)
    return 0 <= top < bottom <= page.viewport_size["height"] - below


@pytest.mark.parametrize("button", ["#next", "#back", "#save"])
def test_on_a_phone_the_lesion_that_is_gone_to_is_in_view(visit, folder, button):
    page = visit(folder / "anna.html", width=360, height=640, touch=True).page
    press(page, "ArrowRight")
    page.evaluate("scrollTo(0, 220)")
    assert not in_view(page, "#lesion")
    page.locator(button).tap()
    assert place(page) != "Lesion 2 of 10"
    assert in_view(page, "#lesion")
    assert in_view(page, "#told") or button != "#save"  # what is still lacking


def test_a_lesion_that_is_in_view_stays_where_it_is(visit, folder):
    page = visit(folder / "anna.html", width=360, height=640, touch=True).page
    page.evaluate("scrollTo(0, 30)")
    page.locator("#next").tap()
    assert page.evaluate("scrollY") == 30


@pytest.mark.parametrize(("width", "height"), [(568, 280), (640, 330), (844, 390)])
def test_on_a_phone_that_lies_the_lesion_is_beside_each_question(visit, folder, width, height):
    page = visit(folder / "anna.html", width=width, height=height, touch=True).page
    foot = page.locator("nav").bounding_box()["height"]
    for question in ("kind", "label", "confidence"):
        page.locator(f"#{question}").evaluate("(question) => question.scrollIntoView({ block: 'center' })")
        assert in_view(page, "#lesion")
        assert in_view(page, f"#{question}", foot)
    page.locator("#next").tap()
    assert in_view(page, "#lesion")
    assert in_view(page, "#kind", foot)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def fingers_on(page):
    """Gives a function that says what a touch screen does: the fingers on it are (x, y) in pixels of the window."""
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
        page.evaluate("new Promise(requestAnimationFrame)")  # a screen tells of movements once a frame

    return touch


@pytest.mark.parametrize("slipped", [0, 6])
def test_two_fingers_on_the_lesion_zoom_the_page_and_leave_the_grey_window(visit, folder, slipped):
    """slipped: pixels by which the first finger moves before the second one touches."""
    page = visit(folder / "anna.html", width=390, height=844, phone=True).page
    box, window = page.locator("#lesion").bounding_box(), page.locator("#window")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    first, fingers = window.text_content(), fingers_on(page)
    fingers("touchStart", (x, y))
    fingers("touchMove", (x - slipped, y + slipped))
    fingers("touchStart", (x - slipped, y + slipped), (x + 30, y + 20))
    for step in range(1, 9):
        fingers("touchMove", (x - slipped - 8 * step, y + slipped - 4 * step), (x + 30 + 8 * step, y + 20 + 4 * step))
    assert window.text_content() == first
    fingers("touchEnd")
    assert window.text_content() == first
    assert page.evaluate("visualViewport.scale") > 1.2


def test_one_finger_on_the_lesion_sets_the_grey_window(visit, folder):
    page = visit(folder / "anna.html", width=390, height=844, phone=True).page
    box, window = page.locator("#lesion").bounding_box(), page.locator("#window")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    first, fingers = window.text_content(), fingers_on(page)
    fingers("touchStart", (x, y))
    for step in range(1, 6):
        fingers("touchMove", (x, y + 8 * step))
    fingers("touchEnd")
    assert window.text_content() != first
    assert page.evaluate("scrollY") == 0


def test_colour_lesions_have_no_grey_window(visit, tmp_path):
    seen = visit(make_folder(tmp_path / "colour", 3, 256) / "anna.html")
    red = seen.page.locator("#lesion").evaluate(PIXEL)
    assert len(set(red)) > 60
    assert seen.page.locator("#level").count() == 0
    press(seen.page, "0", "1")
    assert clean(seen)


def test_a_browser_that_keeps_nothing_says_so(visit, folder):
    page = visit(folder / "anna.html").page
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); }")
    page.reload()
    assert "keeps no answers" in page.get_by_role("alert").text_content()
    press(page, "1", "1", "1")
    assert page.locator("#answered").text_content() == "1 answered"


DEAF = "addEventListener('storage', (event) => event.stopImmediatePropagation())"  # as a tab that sleeps is


def twice(visit, folder, deaf=False):
    """The page in two tabs of one browser; deaf: neither hears at once what the other keeps."""
    old = visit(folder / "anna.html").page
    if deaf:
        old.context.add_init_script(DEAF)
        old.reload()
    new = old.context.new_page()
    new.goto(old.url)
    return old, new


def answer_all(page):
    for _ in range(LESIONS):
        press(page, "2", "2", "4", "ArrowRight")


def told(page, text):
    """Waits for what another tab keeps."""
    page.wait_for_function("text => document.getElementById('answered').textContent === text", arg=text)
    return True


TEN_KEPT = """() => Object.values(localStorage).some(
  (kept) => Object.values(JSON.parse(kept).given).filter((answer) => answer.confidence !== undefined).length === 10
)"""


@pytest.mark.parametrize("deaf", [False, True], ids=["told by the browser", "not told"])
def test_a_tab_that_is_closed_or_left_keeps_what_another_was_told(visit, folder, deaf):
    old, new = twice(visit, folder, deaf)
    answer_all(new)
    assert place(new) == "Lesion 10 of 10"
    address = new.url
    old.wait_for_function(TEN_KEPT)  # what one tab's process has kept reaches another's in a moment
    new.goto("about:blank")  # each is left, the one without answers last
    old.goto("about:blank")
    new.goto(address)
    assert new.locator("#answered").text_content() == "10 answered"
    assert place(new) == "Lesion 10 of 10"
    assert set(saved(new, folder)["kind"]) == {"synthetic"}


def test_a_tab_shows_what_another_was_told_and_keeps_its_own_place_and_answer(visit, folder):
    old, new = twice(visit, folder)
    press(old, "ArrowRight", "1", "2")  # two of three questions
    for _ in range(5):
        press(new, "2", "1", "5", "ArrowRight", *["ArrowRight"] * (place(new) == "Lesion 1 of 10"))
    assert told(old, "5 answered")
    assert place(old) == "Lesion 2 of 10"
    assert old.locator("#kind [aria-pressed=true]").text_content() == "1Real"
    assert old.locator("fieldset.marked").get_attribute("id") == "confidence"
    press(old, "4")
    assert told(new, "6 answered")
    press(old, "ArrowLeft")
    assert old.locator("#kind [aria-pressed=true]").text_content() == "2Synthetic"


@pytest.mark.parametrize("deaf", [False, True], ids=["told by the browser", "not told"])
def test_answers_of_two_tabs_are_joined_and_the_last_change_counts(visit, folder, deaf):
    old, new = twice(visit, folder, deaf)
    for number in range(LESIONS):
        press(old if number % 2 else new, "1", "1", "1")
        press(old, "ArrowRight")
        press(new, "ArrowRight")
    press(old, *["ArrowLeft"] * 9, "2")  # the first lesion, whose kind is changed in one tab and then in the other
    press(new, *["ArrowLeft"] * 9, "1", "ArrowUp", "ArrowUp", "2")
    press(old, "ArrowUp", "ArrowUp", "ArrowUp", "1", "ArrowRight", "2")
    rows = [saved(page, folder) for page in (old, new)]
    assert rows[0].drop(columns="seconds").equals(rows[1].drop(columns="seconds"))
    assert rows[0]["kind"].tolist() == ["real", "synthetic", *["real"] * 8]


JOINS = """() => {
  const drawn = [undefined, { seconds: 3 }];
  for (const changes of [2, 7]) drawn.push({ kind: "real", seconds: 8 - changes, changes });
  for (const changes of [undefined, 3, 4, 9]) {
    drawn.push({ kind: "real", label: "cyst", confidence: "4", seconds: changes ?? 5, changes });
  }
  const flat = (answer) => JSON.stringify(Object.entries(answer ?? {}).sort());
  const same = (one, other) => flat(one) === flat(other);
  const wrong = [];
  for (const a of drawn) {
    if (!same(joined(a, a), a)) wrong.push([a]);
    for (const b of drawn) {
      const both = joined(a, b);
      if (!same(both, joined(b, a))) wrong.push([a, b]);
      if (both && whole(both) !== [a, b].some((x) => x && whole(x))) wrong.push([a, b, "whole"]);
      if (both && both.seconds < Math.max(a?.seconds ?? 0, b?.seconds ?? 0)) wrong.push([a, b, "seconds"]);
      for (const c of drawn) if (!same(joined(both, c), joined(a, joined(b, c)))) wrong.push([a, b, c]);
    }
  }
  return wrong;
}"""


def test_answers_are_joined_alike_in_whatever_order_tabs_keep_them(visit, folder):
    assert visit(folder / "anna.html").page.evaluate(JOINS) == []


def test_answers_that_an_earlier_page_kept_are_taken_on(visit, folder):
    page = visit(folder / "anna.html").page
    given = "{ L00: { kind: 'real', label: 'cyst', confidence: '2', seconds: 3 }, L01: { seconds: 1 } }"
    page.add_init_script(
        "if (!sessionStorage.given) localStorage.setItem('augmentor-reading:abc123abc123:anna', "
        f"JSON.stringify({{ position: 1, given: {given} }})); sessionStorage.given = 1;"
    )
    page.reload()
    assert (place(page), page.locator("#answered").text_content()) == ("Lesion 2 of 10", "1 answered")
    press(page, "ArrowLeft", "2")
    assert page.get_by_role("button", name="Synthetic").get_attribute("aria-pressed") == "true"


def test_a_key_that_is_held_answers_one_question(visit, folder):
    page = visit(folder / "anna.html").page
    for _ in range(5):  # the second and later ones are repeats
        page.keyboard.down("1")
    page.keyboard.up("1")
    assert page.locator("#kind [aria-pressed=true]").count() == 1
    assert page.locator("#label [aria-pressed=true], #confidence [aria-pressed=true]").count() == 0
    press(page, "1", "1")
    page.get_by_role("button", name="Next").focus()
    for _ in range(5):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    assert place(page) == "Lesion 2 of 10"


def test_an_arrow_that_is_held_goes_on(visit, folder):
    page = visit(folder / "anna.html").page
    for _ in range(5):
        page.keyboard.down("ArrowRight")
    page.keyboard.up("ArrowRight")
    assert place(page) == "Lesion 6 of 10"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_accessible_and_fits(visit, tmp_path, width, dark):
    folder = make_folder(tmp_path / "reading", 1, 2001, [f"class number {i}" for i in range(11)])
    page = visit(folder / "anna.html", width=width, dark=dark).page
    assert not violations(page)  # with the help open, as at first
    press(page, "1", "2", "3", "ArrowRight", "1")
    page.locator("summary").click()
    assert not violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
