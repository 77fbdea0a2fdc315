/**
 * Where samples come from. A source has
 *   length      samples in all; Infinity: until it is stopped
 *   channels    names of the features
 *   rows(n)     the first n samples at least, each a list of numbers
 */

const STANDARD_GRAVITY = 9.80665; // m/s² in a g
const DEGREE = Math.PI / 180;
const FIRST_EVENT_MS = 2000;

/** A source of samples that are all there. */
export function recorded(rows, channels) {
  return { length: rows.length, channels, rows: () => rows };
}

/**
 * Numbers separated by commas, semicolons or tabs, a sample a line; a first line of names is passed over.
 * Throws an Error that names line and column.
 */
export function parseCsv(text, features) {
  const rows = [];
  let names = [];
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const separator = [",", ";", "\t"].find((mark) => lines.find((line) => line.trim())?.includes(mark)) ?? ",";
  for (const [index, line] of lines.entries()) {
    if (!line.trim()) continue;
    const cells = line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
    if (cells.length !== features) {
      throw new Error(`Line ${index + 1}: expected ${counted(features, "column")}, as the model has features, got ${cells.length}.`);
    }
    const numbers = cells.map((cell) => (cell === "" ? NaN : Number(cell)));
    if (!rows.length && !names.length && numbers.every(Number.isNaN)) names = cells;
    else rows.push(checked(numbers, cells, index + 1));
  }
  if (!rows.length) throw new Error("Expected a sample a line, found none.");
  return recorded(rows, names.length ? names : null);
}

function checked(numbers, cells, line) {
  const wrong = numbers.findIndex((number) => !Number.isFinite(number));
  if (wrong < 0) return numbers;
  throw new Error(`Line ${line}, column ${wrong + 1}: expected a number, got “${cells[wrong]}”.`);
}

/** The shipped recording, or any other CSV of this server. */
export async function fetchCsv(url, features) {
  const response = await fetch(url).catch(() => {
    throw new Error("The server does not answer.");
  });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return parseCsv(await response.text(), features);
}

/** The adding task: numbers, two of them marked; the answer is their sum. */
export function adding(length = 50) {
  const first = Math.floor((Math.random() * length) / 10);
  const second = Math.floor(length / 2 + (Math.random() * length) / 2);
  const rows = Array.from({ length }, (_, t) => [Math.random() - 0.5, t === first || t === second ? 1 : 0]);
  const answer = rows[first][0] + rows[second][0];
  return { ...recorded(rows, ["number", "marked"]), answer };
}

/**
 * The movement of the device that shows the page: acceleration in g, gravity included, and rate of turn in rad/s.
 * Asks for leave where the system wants that. Throws an Error where there is no sensor. `stop` lets go of it.
 */
export async function deviceMotion() {
  if (!("DeviceMotionEvent" in window)) throw new Error("This browser does not tell pages about motion.");
  if (!isSecureContext) throw new Error("Browsers tell about motion only over HTTPS, or on the machine itself.");
  const answer = await DeviceMotionEvent.requestPermission?.();
  if (answer && answer !== "granted") throw new Error("Permission to use the motion sensors was not given.");
  const rows = [];
  let latest = null;
  const listen = (event) => (latest = sampleOf(event) ?? latest);
  addEventListener("devicemotion", listen);
  const stop = () => removeEventListener("devicemotion", listen);
  for (let waited = 0; latest === null; waited += 50) {
    if (waited >= FIRST_EVENT_MS) {
      stop();
      throw new Error("This device has no motion sensor.");
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    length: Infinity,
    channels: ["ax", "ay", "az", "gx", "gy", "gz"],
    stop,
    rows(n) {
      while (rows.length < n) rows.push(latest);
      return rows;
    },
  };
}

function sampleOf({ accelerationIncludingGravity: a, rotationRate: r }) {
  if (a?.x == null || r?.alpha == null) return null; // desktops send one event of nulls
  const turn = [r.beta, r.gamma, r.alpha].map((degrees) => degrees * DEGREE);
  return [...[a.x, a.y, a.z].map((value) => value / STANDARD_GRAVITY), ...turn];
}

/** "1 column", "6 columns". */
export function counted(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
