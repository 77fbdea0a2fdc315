/**
 * node replay_file.js FORM OPTIONS < samples: streams lines of JSON, prints updates as lines of JSON. A line of null is a
 * sample that was missed. For tests.
 */
import { createInterface } from "node:readline";
import { MISSED, stream, streamFrom } from "../../client/js/index.js";

const [form, given] = process.argv.slice(2);
const { url, pauseMs = 0, ...options } = JSON.parse(given);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const samples = [];

async function read(t) {
  while (samples.length <= t) {
    const { done, value } = await lines.next();
    if (done) return null;
    if (pauseMs) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    samples.push(JSON.parse(value) ?? MISSED);
  }
  return samples[t];
}

async function* all() {
  for (let t = 0, x; (x = await read(t)) !== null; t++) yield x === MISSED ? null : x;
}

let connections = 0;
options.onReady = () => process.stderr.write(`ready ${++connections}\n`);
options.onRetry = ({ attempt, waitMs, reason }) => process.stderr.write(`try ${attempt} in ${waitMs} ms: ${reason}\n`);
const updates = form === "streamFrom" ? streamFrom(url, read, options) : stream(url, all(), options);
for await (const update of updates) console.log(JSON.stringify({ ...update, y: Array.from(update.y) }));
