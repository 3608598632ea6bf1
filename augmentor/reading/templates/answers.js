// The answers: kept in this browser under the reading and the reader, and written as CSV.

const QUESTIONS = ["kind", "label", "confidence"];

class Answers {
  constructor(reading) {
    this.reading = reading;
    this.place = `augmentor-reading:${reading.reading}:${reading.reader}`;
    this.position = 0;
    this.given = {}; // lesion -> {kind, label, confidence, seconds}
    this.restore();
  }

  restore() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.place));
      if (kept) ({ position: this.position, given: this.given } = kept);
    } catch { /* `keep` tells whoever reads that nothing is kept */ }
  }

  // False where this browser keeps nothing.
  keep() {
    try {
      localStorage.setItem(this.place, JSON.stringify({ position: this.position, given: this.given }));
      return true;
    } catch {
      return false;
    }
  }

  get lesion() { return this.reading.lesions[this.position]; }
  get current() { return (this.given[this.lesion.id] ??= { seconds: 0 }); }

  complete(lesion) {
    const answer = this.given[lesion.id];
    return Boolean(answer) && QUESTIONS.every((question) => answer[question] !== undefined);
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
