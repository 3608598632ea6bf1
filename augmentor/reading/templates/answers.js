// The answers: kept in this browser under the reading and the reader, and written as CSV.

const QUESTIONS = ["kind", "label", "confidence"];
const whole = (answer) => QUESTIONS.every((question) => answer[question] !== undefined);

// Of two tabs' answers to a lesion the complete one, or the one that was changed more often; time is counted in each.
function joined(one, other) {
  if (!one || !other) return one ?? other;
  const rank = (answer) => (whole(answer) ? 1e6 : 0) + (answer.changes ?? 0);
  return { ...(rank(other) > rank(one) ? other : one), seconds: Math.max(one.seconds, other.seconds) };
}

class Answers {
  constructor(reading) {
    this.reading = reading;
    this.place = `augmentor-reading:${reading.reading}:${reading.reader}`;
    this.given = {}; // lesion -> {kind, label, confidence, seconds, changes}
    this.position = this.join();
  }

  // Takes in what any tab has kept; returns at which lesion the last one stood that moved or answered.
  join() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(this.place));
    } catch { /* `keep` tells whoever reads that nothing is kept */ }
    for (const [id, answer] of Object.entries(kept?.given ?? {})) this.given[id] = joined(this.given[id], answer);
    return kept?.position ?? 0;
  }

  // here: whether a reload begins at this tab's lesion. False where this browser keeps nothing.
  keep(here) {
    const position = this.join();
    try {
      const kept = { position: here ? this.position : position, given: this.given };
      localStorage.setItem(this.place, JSON.stringify(kept));
      return true;
    } catch {
      return false;
    }
  }

  get lesion() { return this.reading.lesions[this.position]; }
  get current() { return (this.given[this.lesion.id] ??= { seconds: 0 }); }

  // Another tab's answer to this lesion is taken in first: what is set here is a change of it.
  set(question, value) {
    this.join();
    this.current[question] = value;
    this.current.changes = (this.current.changes ?? 0) + 1;
  }

  complete(lesion) {
    const answer = this.given[lesion.id];
    return Boolean(answer) && whole(answer);
  }

  // Positions of the lesions that lack an answer.
  get open() { return this.reading.lesions.flatMap((lesion, i) => (this.complete(lesion) ? [] : [i])); }

  csv() {
    const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;
    const rows = this.reading.lesions.map(({ id }, i) => {
      const { kind, label, confidence, seconds } = this.given[id];
      return [this.reading.reading, this.reading.reader, id, i + 1, kind, label, confidence, seconds.toFixed(1)];
    });
    const heads = ["reading", "reader", "lesion", "position", ...QUESTIONS, "seconds"];
    return [heads, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  }
}
