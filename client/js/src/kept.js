/** Samples that the network has read and the server may forget: kept until it has saved them. */

/** Places are [sequence, index]. Negative: a lies before b. */
export function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1];
}

export const latest = (a, b) => (compare(a, b) < 0 ? b : a);

export class Kept {
  #samples = []; // {place, x}, in the order of reading; those before #head are gone
  #head = 0;
  #bytes = 0;
  #maxSamples;
  #maxBytes;
  floor = [0, 0]; // every sample read at this place or later is kept, or not answered yet

  constructor({ maxSamples, maxBytes }) {
    if (!(maxSamples >= 1 && maxBytes >= 1)) throw new RangeError("maxSamples, maxBytes: expected at least 1");
    this.#maxSamples = maxSamples;
    this.#maxBytes = maxBytes;
  }

  get size() {
    return this.#samples.length - this.#head;
  }

  get full() {
    return this.size >= this.#maxSamples || this.#bytes >= this.#maxBytes;
  }

  add(place, x) {
    this.#samples.push({ place, x });
    this.#bytes += x.byteLength;
  }

  /** What lies before is not needed any more. */
  letGo(floor) {
    this.floor = latest(this.floor, floor);
    while (this.size && compare(this.#samples[this.#head].place, this.floor) < 0) {
      this.#bytes -= this.#samples[this.#head].x.byteLength;
      this.#samples[this.#head++] = null;
    }
    if (this.#head > 1024 || !this.size) {
      this.#samples = this.#samples.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Let go of the oldest until there is room, needed or not. */
  drop() {
    while (this.full) {
      const [sequence, t] = this.#samples[this.#head].place;
      this.letGo([sequence, t + 1]);
    }
  }

  /** Messages of what was read from a place on, up to `most` neighbours in one. */
  *since(place, most) {
    let run = [];
    for (const sample of this.#samples.slice(this.#head)) {
      if (compare(sample.place, place) < 0) continue;
      const last = run.at(-1)?.place;
      if (last && (run.length === most || compare([last[0], last[1] + 1], sample.place))) {
        yield message(run);
        run = [];
      }
      run.push(sample);
    }
    if (run.length) yield message(run);
  }
}

function message(run) {
  const [sequence, t] = run[0].place;
  const size = run[0].x.length;
  const x = new Float32Array(size * run.length);
  run.forEach((sample, i) => x.set(sample.x, i * size));
  return { sequence, t, n: run.length, x, replayed: true };
}
