// What is shown, and what keys, mouse and touch do.

const element = (id) => document.getElementById(id);
const reading = JSON.parse(element("reading").textContent);
const answers = new Answers(reading);
const pixels = reading.lesions.map((lesion) => unpack(lesion.pixels, reading.bits));
const canvas = element("lesion");
const questions = QUESTIONS.map(element);
const [first, last] = reading.window;
const grey = {};
let marked = 0; // the question that the number keys answer; QUESTIONS.length: none is left
let since = performance.now();

// --- time

function count(seen = !document.hidden) {
  const now = performance.now();
  if (seen) answers.current.seconds += (now - since) / 1000;
  since = now;
}

function keep() {
  count();
  if (!answers.keep(true)) notice("This browser keeps no answers across a reload: save them before you close the page.");
}

function notice(text) {
  element("notice").textContent = text;
  element("notice").hidden = false;
}

// --- showing

function showLesion() {
  paint(canvas, pixels[answers.position], reading.channels, grey);
  if (reading.channels > 1) return;
  element("level").value = grey.level;
  element("width").value = grey.width;
  const unit = (reading.high - reading.low) / (reading.levels - 1); // of the files, a level
  const told = (value) => value.toFixed(digits(reading.high - reading.low));
  element("window").textContent = `${told(reading.low + grey.level * unit)} ± ${told((grey.width * unit) / 2)}`;
}

// After the point: a two-hundredth of the range, which half the width goes by, is told.
function digits(range) {
  return Math.max(0, Math.ceil(Math.log10(200 / (range || 1))));
}

function showAnswers() {
  const open = answers.open;
  const done = reading.lesions.length - open.length;
  element("place").textContent = `Lesion ${answers.position + 1} of ${reading.lesions.length}`;
  canvas.setAttribute("aria-label", element("place").textContent);
  element("progress").value = done;
  element("answered").textContent = `${done} answered`;
  questions.forEach((question, number) => {
    question.classList.toggle("marked", number === marked);
    for (const button of question.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(answers.current[question.id] === button.dataset.value));
    }
  });
  const complete = answers.complete(answers.lesion);
  element("next").classList.toggle("primary", complete && open.length > 0);
  element("save").classList.toggle("primary", open.length === 0);
}

function tell(text) { element("told").textContent = text; }
function say(text) { element("said").textContent = text; } // to a screen reader; others see it

// --- doing

function takeIn() {
  answers.join();
  showAnswers();
}

function answer(number, value) {
  const question = QUESTIONS[number];
  answers.set(question, value);
  // On to the first question of this lesion that is still open.
  const open = QUESTIONS.findIndex((name) => answers.current[name] === undefined);
  marked = open < 0 ? QUESTIONS.length : open;
  keep();
  showAnswers();
  if (answers.open.length === 0) tell("All lesions are answered. Save the answers, or go back and look again.");
  else say(open < 0 ? "Answered." : questions[open].querySelector("legend").textContent);
}

function go(position) {
  if (position < 0 || position >= reading.lesions.length) return;
  count();
  answers.position = position;
  const open = QUESTIONS.findIndex((name) => answers.current[name] === undefined);
  marked = Math.max(open, 0);
  keep();
  showLesion();
  showAnswers();
  tell("");
  const main = document.querySelector("main"); // the lesion is at its top
  if (main.getBoundingClientRect().top < 0) main.scrollIntoView();
}

function next() {
  if (answers.position + 1 < reading.lesions.length) return go(answers.position + 1);
  if (answers.open.length) return go(answers.open[0]);
  return tell("This is the last lesion. Save the answers, or go back and look again.");
}

function save() {
  keep();
  const open = answers.open;
  if (open.length) {
    go(open[0]);
    const more = open.length - 1 ? ` (and ${open.length - 1} more)` : "";
    return tell(`Lesion ${open[0] + 1}${more} still lacks an answer; a file is saved when none does.`);
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([answers.csv()], { type: "text/csv" }));
  link.download = `answers-${reading.reader}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  return tell(`Saved as ${link.download}. Send this file to whoever gave you the page.`);
}

function smooth(on) {
  element("smooth").checked = on;
  canvas.classList.toggle("smooth", on);
}

function setWindow(level, width) {
  const most = reading.levels - 1;
  grey.level = Math.min(most, Math.max(0, level));
  grey.width = Math.min(most, Math.max(1, width));
}

function resetWindow() {
  setWindow((first + last) / 2, last - first);
  showLesion();
}

// --- keys

const STEPS = { ArrowUp: -1, ArrowDown: 1 };
const BUTTONS = "button, summary"; // what Enter presses

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.repeat && !event.key.startsWith("Arrow")) { // a key that is held answers once
    if (event.key === "Enter") event.preventDefault(); // which would press a button again
    return;
  }
  const onButton = event.target.matches(BUTTONS);
  if (event.target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
  if (event.key === "ArrowLeft") byKey(() => go(answers.position - 1));
  else if (event.key === "ArrowRight") byKey(next);
  else if (event.key in STEPS) mark(marked + STEPS[event.key]);
  else if (event.key === "Enter" && !onButton && answers.complete(answers.lesion)) next();
  else if (event.key === "0") resetWindow();
  else if (event.key.toLowerCase() === "s") smooth(!element("smooth").checked);
  else if (!choose(Number(event.key))) return;
  event.preventDefault();
}

function mark(number) {
  marked = Math.min(QUESTIONS.length - 1, Math.max(0, number));
  showAnswers();
  say(questions[marked].querySelector("legend").textContent);
}

function choose(number) {
  const button = questions[Math.min(marked, QUESTIONS.length - 1)].querySelectorAll("button")[number - 1];
  if (!button || marked === QUESTIONS.length) return false;
  byKey(() => answer(marked, button.dataset.value));
  return true;
}

// Enter is then the key that goes on, and presses no button that was reached earlier; Tab goes on from there.
function byKey(action) {
  if (document.activeElement?.matches(BUTTONS)) document.activeElement.blur();
  action();
}

// --- mouse and touch

let drag = null;

// What was pressed by mouse or touch keeps no focus, or Enter would press it again; Tab goes on from there.
document.addEventListener("mousedown", (event) => {
  const button = event.target.closest(BUTTONS);
  if (!button) return;
  event.preventDefault();
  button.focus({ preventScroll: true });
  button.blur();
});

function giveUpDrag() {
  if (!drag) return;
  setWindow(drag.level, drag.width);
  drag = null;
  showLesion();
}

canvas.addEventListener("pointerdown", (event) => {
  if (reading.channels > 1) return;
  if (!event.isPrimary) return giveUpDrag(); // two fingers zoom the page
  canvas.setPointerCapture(event.pointerId);
  drag = { x: event.clientX, y: event.clientY, level: grey.level, width: grey.width };
});
canvas.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const scale = (2 * (last - first)) / canvas.clientWidth; // across the lesion: twice the first window
  setWindow(drag.level + (event.clientY - drag.y) * scale, drag.width + (event.clientX - drag.x) * scale);
  showLesion();
});
canvas.addEventListener("pointerup", () => { drag = null; });
canvas.addEventListener("pointercancel", giveUpDrag);

// --- begin

questions.forEach((question, number) => {
  [...question.querySelectorAll("button")].forEach((button, i) => {
    if (i < 9) button.prepend(Object.assign(document.createElement("kbd"), { textContent: i + 1 }));
    button.addEventListener("click", () => answer(number, button.dataset.value));
  });
});
if (reading.channels === 1) {
  canvas.classList.add("windowed");
  element("reset").addEventListener("click", resetWindow);
  for (const name of ["level", "width"]) {
    element(name).addEventListener("input", () => {
      grey[name] = Number(element(name).value);
      setWindow(grey.level, grey.width); // the last step may end beyond the last level
      showLesion();
    });
  }
}
element("back").addEventListener("click", () => go(answers.position - 1));
element("next").addEventListener("click", next);
element("save").addEventListener("click", save);
element("smooth").addEventListener("change", (event) => smooth(event.target.checked));
document.addEventListener("keydown", onKey);
// Other tabs may have this page open, too: what they keep is taken in, and a tab that is left keeps its time alone.
document.addEventListener("visibilitychange", () => {
  count(document.hidden); // until it was hidden
  if (document.hidden) answers.keep(false);
  else takeIn();
});
window.addEventListener("pagehide", () => {
  count();
  answers.keep(false);
});
window.addEventListener("storage", takeIn);
element("help").open = answers.open.length === reading.lesions.length;
setWindow((first + last) / 2, last - first);
go(Math.min(answers.position, reading.lesions.length - 1));
