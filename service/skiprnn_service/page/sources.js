/**
 * Where samples come from. A source has
 *   length      samples in all; Infinity: until it is stopped
 *   channels    names of the features
 *   columnsLeftOut   of a file, names of those that are no features
 *   rows(n)     the first n samples at least, each a list of numbers
 */

import { isHeader, leftOut, match, parseNumber } from "./channels.js";

const STANDARD_GRAVITY = 9.80665; // m/s² in a g
const DEGREE = Math.PI / 180;
const FIRST_EVENT_MS = 2000;

/** A source of samples that are all there. `columnsLeftOut`: of a file, those that are no features. */
export function recorded(rows, channels, columnsLeftOut = []) {
  return { length: rows.length, channels, columnsLeftOut, rows: () => rows };
}

/**
 * Numbers separated by commas, semicolons or tabs, a sample a line. A first line that names the features says where they
 * stand (channels.js). Throws an Error that names line and column.
 */
export function parseCsv(text, features) {
  const rows = rowsOf(text.replace(/^\uFEFF/, ""));
  const first = rows[0] ?? { cells: [], line: 1 };
  const names = isHeader(first.cells, features) ? first.cells : null;
  const chosen = names && placed(() => match(names, features), first.line);
  const width = chosen ? { columns: names.length, as: "the first line has names" } : { columns: features.length, as: "the model has features" };
  if (names) checkWidth(first, width);
  const columns = chosen ?? [...features.keys()];
  const samples = rows.slice(names ? 1 : 0).map((row) => sampleOfRow(row, columns, width));
  if (!samples.length) throw new Error("Expected a sample a line, found none.");
  return recorded(samples, names && columns.map((column) => names[column].trim()), chosen ? leftOut(names, chosen) : []);
}

function sampleOfRow(row, columns, width) {
  checkWidth(row, width);
  return columns.map((column) => {
    const number = parseNumber(row.cells[column]);
    if (number === null) throw new Error(`Line ${row.line}, column ${column + 1}: expected a number, got “${row.cells[column]}”.`);
    return number;
  });
}

function checkWidth({ cells, line }, { columns, as }) {
  if (cells.length === columns) return;
  throw new Error(`Line ${line}: expected ${counted(columns, "column")}, as ${as}, got ${cells.length}.`);
}

function placed(work, line) {
  try {
    return work();
  } catch (error) {
    throw new Error(`Line ${line}: ${error.message}.`);
  }
}

/** Lines that are not blank, each with its number, as cells. */
function rowsOf(text) {
  const lines = text.split(/\r\n|\n|\r/);
  const separator = [",", ";", "\t"].find((mark) => lines.find((line) => line.trim())?.includes(mark)) ?? ",";
  return lines.map((line, index) => ({ line: index + 1, cells: cellsOf(line, separator) })).filter((_, index) => lines[index].trim());
}

/** A quoted cell may hold the separator, and a quote that is doubled. */
function cellsOf(line, separator) {
  if (!line.includes('"')) return line.split(separator).map((cell) => cell.trim());
  const cells = [""];
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    const doubled = quoted && line.startsWith('""', at);
    if (line[at] === separator && !quoted) cells.push("");
    else if (line[at] !== '"' || doubled) cells[cells.length - 1] += line[at];
    else quoted = !quoted;
    if (doubled) at++;
  }
  return cells.map((cell) => cell.trim());
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
