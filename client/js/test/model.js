/** A server of one stream in a few lines, without sockets: what the core is held to (see tests/support/model_stream.py). */

// A sample that was missed is null in a recording.

export const FEATURES = 2;
const REPEATED = 4; // updates that `ready` repeats, at least

/** A small generator of random numbers with a seed (mulberry32): random(n) → an integer in [0, n). */
export function generator(seed) {
  return (n) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) % n;
  };
}

const START = { sequence: 0, next: 0, wake: 0, state: 7, recent: [], recentFrom: 0 };

/** One update: the state depends on the samples that were read, all else on the state. */
function read(place, t, x) {
  const bytes = new Uint8Array(Float32Array.from(x).buffer);
  const state = bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 16_777_619) >>> 0, place.state);
  return { ...place, state, wake: t + 1 + ((state >>> 4) % 4), recent: [...place.recent, { t, y: [state % 997] }] };
}

function miss(place, t, n) {
  if (t > place.wake) throw new Error(`a gap: ${t} past ${place.wake}`);
  const next = Math.max(place.next, t + n);
  return { ...place, next, wake: Math.max(place.wake, next) };
}

function take(place, t, rows) {
  if (t > place.wake) throw new Error(`a gap: ${t} past ${place.wake}`);
  let after = place;
  while (after.wake < t + rows.length) after = read(after, after.wake, rows[after.wake - t]);
  const reads = after.recent.length - place.recent.length;
  const excess = reads ? Math.max(after.recent.length - Math.max(REPEATED, reads), 0) : 0;
  const recentFrom = excess ? after.recent[excess - 1].t + 1 : place.recentFrom;
  return { ...after, next: Math.max(place.next, t + rows.length), recent: after.recent.slice(excess), recentFrom };
}

/** What a client must have been told in the end: [sequence, t, y]. */
export function uninterrupted(sequences) {
  return sequences.flatMap((rows, sequence) => {
    let place = START;
    for (let t; (t = place.wake) < rows.length; ) place = rows[t] ? read(place, t, rows[t]) : miss(place, t, 1);
    return place.recent.map(({ t, y }) => [sequence, t, y[0]]);
  });
}

export class ModelServer {
  now = null; // null: unknown
  stored = null;
  coming = [];
  going = [];
  ended = false;

  constructor(durable) {
    this.durable = durable;
  }

  get saved() {
    return this.stored && this.stored.sequence === this.now?.sequence ? this.stored.next : 0;
  }

  /** A new connection; of the old one nothing more comes through. */
  connect() {
    this.coming = [];
    this.going = [];
    const resumed = this.now !== null;
    const place = (this.now ??= START);
    const { sequence, next, wake } = place;
    return {
      ...{ stream_id: "s", model: "m", version: "1", features: FEATURES, outputs: 1, classes: [] },
      ...{ resumed, sequence, next, wake, saved: this.saved, updates_from: place.recentFrom },
      updates: place.recent.map(({ t, y }) => ({ t, y, label: null, sequence })),
      limits: { replay_updates: REPEATED, durable: this.durable },
    };
  }

  /** Take the next message that came (JSON). */
  process() {
    if (!this.coming.length || this.ended) return;
    const { type, t, x, missed } = JSON.parse(this.coming.shift());
    if (type === "reset") this.now = { ...START, sequence: this.now.sequence + 1 };
    else if (type === "end") this.#end();
    else {
      const before = this.now;
      this.now = missed ? miss(before, t, missed) : take(before, t, x);
      const updates = this.now.recent.filter((update) => update.t >= before.wake);
      this.#say({ t: this.now.next - 1, wake: this.now.wake, updates, saved: this.saved });
    }
  }

  save() {
    if (!this.durable || !this.now || this.ended) return;
    this.stored = this.now;
    this.#say({ type: "saved", saved: this.saved, sequence: this.now.sequence });
  }

  /** And come back with what the store knows. */
  die() {
    if (!this.ended) this.now = this.stored;
  }

  #end() {
    this.ended = true;
    this.now = this.stored = null;
    this.#say({ type: "ended", samples: 0, updates: 0 });
  }

  #say(fields) {
    this.going.push(JSON.stringify(fields));
  }
}
