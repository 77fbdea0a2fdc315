/**
 * Samples that the network has updated on, or that were missed, and that the server has not saved: sent again if the
 * server loses them. Missed ones too: they moved the updates behind them.
 */

/** Positions are [sequence, index]. Negative: a is before b. */
export function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1];
}

export const latest = (a, b) => (compare(a, b) < 0 ? b : a);

export class ReplayBuffer {
  #samples = []; // {position, x, n} in their order; x is null for n that were missed; those before #head are gone
  #head = 0;
  #bytes = 0;
  #maxSamples;
  #maxBytes;
  floor = [0, 0]; // every updated or missed sample at this position or later is in the buffer, or not answered yet

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
    this.#samples.push({ position, x, n: 1 });
    this.#bytes += x.byteLength;
  }

  /** `n` samples that were missed, from a position on: one entry with those that were missed right before them. */
  addMissed(position, n) {
    const last = this.size ? this.#samples.at(-1) : null;
    if (last?.x === null && !compare(end(last), position)) last.n += n;
    else this.#samples.push({ position, x: null, n });
  }

  /** Samples before this position are not needed any more. */
  discardBefore(floor) {
    this.floor = latest(this.floor, floor);
    while (this.size && compare(end(this.#samples[this.#head]), this.floor) <= 0) {
      this.#bytes -= this.#samples[this.#head].x?.byteLength ?? 0;
      this.#samples[this.#head++] = null;
    }
    if (this.#head > 1024 || !this.size) {
      this.#samples = this.#samples.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Discard the oldest samples until the buffer is not full, needed or not. */
  dropOldest() {
    while (this.full) this.discardBefore(end(this.#samples[this.#head]));
  }

  /**
   * Samples from a position on; up to `most` consecutive ones in a message. Missed ones are a message of their own.
   * Where the position is in the middle of them all of them are in it: to tell a server of them twice changes nothing.
   */
  *since(position, most) {
    let run = [];
    for (const sample of this.#samples.slice(this.#head)) {
      if (compare(end(sample), position) <= 0) continue;
      if (run.length && (run.length === most || !joins(run.at(-1), sample))) {
        yield message(run);
        run = [];
      }
      run.push(sample);
    }
    if (run.length) yield message(run);
  }
}

const end = ({ position: [sequence, t], n }) => [sequence, t + n];

const joins = (one, other) => one.x !== null && other.x !== null && !compare(end(one), other.position);

function message(run) {
  const [sequence, t] = run[0].position;
  if (run[0].x === null) return { sequence, t, n: run[0].n, x: null, replayed: true };
  const size = run[0].x.length;
  const x = new Float32Array(size * run.length);
  run.forEach((sample, i) => x.set(sample.x, i * size));
  return { sequence, t, n: run.length, x, replayed: true };
}
