/** Samples in, updates out. */

import { Driver } from "./driver.js";
import { Blocks, Missed, NEW_SEQUENCE, asSamples } from "./samples.js";

const WINDOW = 16; // messages in flight where no sample is left out

/** Stream samples and yield each update once, in order, across lost connections. Options: index.d.ts. */
export async function* stream(url, samples, options = {}) {
  const { wake = true, window = null, chunk = null, start = null, end = true } = options;
  if (window !== null && !(window >= 1)) throw new RangeError(`window: expected at least 1, got ${window}`);
  const driver = new Driver(url, options, { window: window ?? (wake ? 1 : WINDOW), wake });
  yield* driver.updates(async (core) => {
    core.next = start ?? core.next;
    const blocks = new Blocks(core.ready, { encoding: options.encoding, chunk, t: core.next });
    for await (const x of driver.guarded(samples)) {
      for (const block of blocks.push(x)) await driver.put(block);
    }
    for (const block of blocks.rest()) await driver.put(block);
    await driver.finish(end);
  });
}

/** Fetch only the samples that the network updates on: `read(t)` → sample t, MISSED, or null when there are no more. */
export async function* streamFrom(url, read, options = {}) {
  const driver = new Driver(url, options, { window: 1, wake: true });
  yield* driver.updates(async (core) => {
    for (let x; (x = await read(core.nextNeeded)) != null; ) {
      core.next = core.nextNeeded;
      await driver.put(x === NEW_SEQUENCE || x instanceof Missed ? x : asSamples(x, core.ready.features, core.next));
      await driver.until(() => core.idle);
    }
    await driver.finish(options.end ?? true);
  });
}
