/** Samples that the network has updated on and the server has not saved: sent again if the server loses them. */

/** Positions are [sequence, index]. Negative: a is before b. */
export function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1];
}

export const latest = (a, b) => (compare(a, b) < 0 ? b : a);

export class ReplayBuffer {
  #samples = []; // {position, x}, in the order of their updates; those before #head are gone
  #head = 0;
  #bytes = 0;
  #maxSamples;
  #maxBytes;
  floor = [0, 0]; // every updated sample at this position or later is in the buffer, or not answered yet

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

  add(position, x) {
    this.#samples.push({ position, x });
    this.#bytes += x.byteLength;
  }

  /** Samples before this position are not needed any more. */
  discardBefore(floor) {
    this.floor = latest(this.floor, floor);
    while (this.size && compare(this.#samples[this.#head].position, this.floor) < 0) {
      this.#bytes -= this.#samples[this.#head].x.byteLength;
      this.#samples[this.#head++] = null;
    }
    if (this.#head > 1024 || !this.size) {
      this.#samples = this.#samples.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Discard the oldest samples until the buffer is not full, needed or not. */
  dropOldest() {
    while (this.full) {
      const [sequence, t] = this.#samples[this.#head].position;
      this.discardBefore([sequence, t + 1]);
    }
  }

  /** Samples from a position on; up to `most` consecutive ones in a message. */
  *since(position, most) {
    let run = [];
    for (const sample of this.#samples.slice(this.#head)) {
      if (compare(sample.position, position) < 0) continue;
      const last = run.at(-1)?.position;
      if (last && (run.length === most || compare([last[0], last[1] + 1], sample.position))) {
        yield message(run);
        run = [];
      }
      run.push(sample);
    }
    if (run.length) yield message(run);
  }
}

function message(run) {
  const [sequence, t] = run[0].position;
  const size = run[0].x.length;
  const x = new Float32Array(size * run.length);
  run.forEach((sample, i) => x.set(sample.x, i * size));
  return { sequence, t, n: run.length, x, replayed: true };
}
