/**
 * What columns of labels say of a sample, as text. The rule is that of training; `model/skiprnn/data/truth.py` writes it
 * down. A sample without a label has an empty text.
 */

import { featureOf, parseNumber } from "./channels.js";
import { isRegression } from "./outputs.js";

const NOTHING = "none"; // of several labels that may hold at once
const BETWEEN = ";";
const SEPARATOR = /[;|]/;
const HELD = new Map([["0", false], ["1", true], ["false", false], ["true", true]]);

/**
 * What makes a text of a row's cells: a class as the network calls it, values as `1.5;2`, of several labels those that hold.
 * It throws an Error where a cell is no number, or neither 0 nor 1.
 */
export function truthReader(columns, { classes = [], multi_label: several = false, task = "", events }, parse = parseNumber) {
  const known = new Map(classes.map((name) => [keyOf(name), name]));
  const spelled = (text) => known.get(keyOf(text)) ?? text.trim();
  const unknown = events ? classes[0] : ""; // an empty cell is no event
  if (isRegression({ task })) return (cells) => whole(cells, () => cells.map((cell) => valueOf(cell, parse)).join(BETWEEN));
  if (several && columns.length === 1) return ([cell]) => listed(cell).map(spelled).filter(isFirst).join(BETWEEN) || NOTHING;
  if (several) return (cells) => whole(cells, () => held(cells, columns, parse));
  return (cells) => whole(cells, () => cells.map(spelled).join(BETWEEN)) || unknown;
}

/** Empty where a cell is. */
function whole(cells, text) {
  return cells.every((cell) => cell.trim()) ? text() : "";
}

function valueOf(cell, parse) {
  const value = parse(cell);
  if (value === null) throw new Error(`expected a number as label, got “${cell}”`);
  return value;
}

/** Names of the labels that hold. */
function held(cells, columns, parse) {
  const holds = cells.map((cell, index) => {
    const number = parse(cell);
    const key = number === null ? cell.trim().toLowerCase() : String(number);
    if (!HELD.has(key)) throw new Error(`expected 0 or 1 in the column ${columns[index]}, got “${cell}”`);
    return HELD.get(key);
  });
  return columns.filter((_, index) => holds[index]).map((column) => featureOf(column).name).join(BETWEEN) || NOTHING;
}

function listed(cell) {
  return cell.split(SEPARATOR).filter((name) => name.trim());
}

function isFirst(name, index, names) {
  return names.indexOf(name) === index;
}

/** Equal for texts that are the same: `1`, `1.0` and ` 01`. */
function keyOf(text) {
  return parseNumber(text) ?? text.trim().normalize("NFC");
}
