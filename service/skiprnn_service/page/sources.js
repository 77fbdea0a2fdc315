/**
 * Where samples come from. A source has
 *   length      samples in all; Infinity: until it is stopped
 *   channels    names of the features
 *   columnsLeftOut   of a file, names of those that are no features
 *   time        of a file, {name, values} of the column that says when a sample was measured, as text; null: it has none
 *   rows(n)     the first n samples at least, each a list of numbers
 *   labels      the truth of each sample, "" where it is not known; null: of none
 *   answer      the truth of the whole; undefined: not known
 *   whence      how it is known, in words
 */

import { getText, modelPath } from "./api.js";
import { isHeader, leftOut, match, parseNumber } from "./channels.js";
import { hasDecimalCommas, tableOf } from "./dialect.js";
import { isTime } from "./rate.js";
import { truthReader } from "./truth.js";

const STANDARD_GRAVITY = 9.80665; // m/s² in a g
const DEGREE = Math.PI / 180;
const FIRST_EVENT_MS = 2000;
const MOTION = ["ax", "ay", "az", "gx", "gy", "gz"].map((name, index) => ({ name, unit: index < 3 ? "g" : "rad/s" }));
const LABEL = "label"; // the column of the truth, where training had no other

/** A source of samples that are all there. */
export function recorded(rows, channels, { columnsLeftOut = [], time = null, labels = null, answer, whence = "" } = {}) {
  return { length: rows.length, channels, columnsLeftOut, time, labels, answer, whence, rows: () => rows };
}

/**
 * Numbers separated by commas, semicolons or tabs, a sample a line. A first line that names the features says where they
 * stand (channels.js), and which columns have the labels (truth.js) of a model. Throws an Error that names line and column.
 */
export function parseCsv(text, features, labels = [LABEL], model = {}) {
  const { separator, rows } = tableOf(text, features.length);
  const first = rows[0] ?? { cells: [], line: 1 };
  const names = isHeader(first.cells, features) ? first.cells : null;
  const chosen = names && placed(() => match(names, features), first.line);
  const width = chosen ? { columns: names.length, as: "the first line has names" } : { columns: features.length, as: "the model has features" };
  if (names) checkWidth(first, width);
  const columns = chosen ?? [...features.keys()];
  const table = rows.slice(names ? 1 : 0);
  for (const row of table) checkWidth(row, width);
  const comma = separator !== "," && hasDecimalCommas(table.map(({ cells }) => columns.map((column) => cells[column])));
  const samples = table.map((row) => sampleOfRow(row, columns, comma));
  if (!samples.length) throw new Error("Expected a sample a line, found none.");
  return recorded(samples, names && columns.map((column) => names[column].trim()), chosen ? beside(names, chosen, table, labels, model) : {});
}

/** What a table has beside the features: labels, and columns that are left out. */
function beside(names, chosen, table, labels, model) {
  const time = timeIn(names, chosen, table);
  const columns = labels.map((label) => names.findIndex((name, index) => name.trim() === label && !chosen.includes(index)));
  if (columns.includes(-1)) return { columnsLeftOut: leftOut(names, chosen), time };
  const rows = table.map(({ cells }) => columns.map((column) => cells[column]));
  const comma = hasDecimalCommas(table.map(({ cells }) => [...chosen, ...columns].map((column) => cells[column])));
  const read = truthReader(labels, model, (cell) => numberOf(cell, comma));
  const truth = rows.map((cells, index) => placed(() => read(cells), table[index].line));
  return { columnsLeftOut: leftOut(names, [...chosen, ...columns]), time, labels: truth };
}

function timeIn(names, chosen, table) {
  const column = names.findIndex((name, index) => isTime(name) && !chosen.includes(index));
  return column < 0 ? null : { name: names[column].trim(), values: table.map(({ cells }) => cells[column]) };
}

function numberOf(cell, comma) {
  return parseNumber(comma ? cell.replace(".", "_").replace(",", ".") : cell);
}

function sampleOfRow(row, columns, comma) {
  return columns.map((column) => {
    const cell = row.cells[column];
    const number = numberOf(cell, comma);
    if (number === null) throw new Error(`Line ${row.line}, column ${column + 1}: expected a number, got “${cell}”.`);
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

/** The columns of a model's recordings that have the truth. */
function labelsOf({ training }) {
  return (training.options?.label || LABEL).split(",").map((name) => name.trim());
}

/** The recording that came with a model. */
export async function fetchRecording(model) {
  return parseCsv(await getText(modelPath(model, "/recording")), model.features);
}

/** A file that the visitor chose. */
export async function readFile(file, model) {
  return parseCsv(await textOf(file), model.features, labelsOf(model), model);
}

/** Throws an Error where a file is not text in UTF-8. */
async function textOf(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Error(`${file.name}: expected CSV in UTF-8, found another encoding or no text.`);
  }
}

/** The adding task: numbers, two of them marked; the answer is their sum. */
export function adding(length = 50) {
  const first = Math.floor((Math.random() * length) / 10);
  const second = Math.floor(length / 2 + (Math.random() * length) / 2);
  const rows = Array.from({ length }, (_, t) => [Math.random() - 0.5, t === first || t === second ? 1 : 0]);
  const answer = rows[first][0] + rows[second][0];
  return recorded(rows, ["number", "marked"], { answer, whence: "the sum of the two marked numbers" });
}

/** Whether the features of a model are those that a device's motion gives: by their names, or by their units. */
export function takesMotion({ features }) {
  return ["name", "unit"].some((key) => features.length === MOTION.length && features.every((feature, index) => feature[key] === MOTION[index][key]));
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
    channels: MOTION.map(({ name }) => name),
    columnsLeftOut: [],
    time: null,
    labels: null,
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
