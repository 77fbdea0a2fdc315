/**
 * Which column of a table is which channel, and what is a number. The rule is that of training, of `skiprnn stream` and
 * of scoring; `model/skiprnn/channels.py` and `model/skiprnn/numerals.py` write it down. A feature is {name, unit}.
 */

const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const DIALECTS = /^[+-]?(?:0[xob][\da-f_]+|(?=[.,'_]*\d)[\d.,'_]+(?:e[+-]?\d+)?|nan|inf(?:inity)?)$/i;
const BRACKETS = { "]": "[", ")": "(" };

/** The finite number that a text is; null: it is none. */
export function parseNumber(text) {
  const value = NUMBER.test(text.trim()) ? Number(text) : NaN;
  return Number.isFinite(value) ? value : null;
}

/** Whether somebody meant a number, in this dialect or another. */
export function looksLikeANumber(text) {
  return DIALECTS.test(text.trim());
}

/** Indices of the columns that hold the features; null: no column names one. Throws an Error where some do. */
export function match(header, features) {
  if (new Set(features.map(headerOf)).size < features.length) return null;
  const { names, found } = namedIn(header, features);
  if (found.every((columns) => !columns.length) && !otherUnits(names, features)) return null;
  const missing = features.filter((_, index) => !found[index].length).map(headerOf);
  if (missing.length) {
    const unknown = leftOut(names, found.flat());
    throw new Error(`expected a column for every feature, or none of their names: ${list(missing)} are missing, ${list(unknown)} are none of them`);
  }
  if (found.some((columns) => columns.length > 1) || new Set(found.flat()).size < features.length) {
    throw new Error(`expected one column for each feature, got ${list(found.flat().map((column) => names[column].trim()))}`);
  }
  return found.flat();
}

/** Names of the columns that `match` did not choose. */
export function leftOut(names, chosen) {
  return names.filter((_, column) => !chosen.includes(column)).map((name) => name.trim());
}

/** Whether a first line holds names, not a sample. */
export function isHeader(cells, features) {
  if (features.length && namedIn(cells, features).found.every((columns) => columns.length)) return true;
  return cells.some((cell) => cell.trim()) && !cells.some(looksLikeANumber);
}

/** The names, without the `#` that some programs write before the first, and of every feature the columns that name it. */
function namedIn([first = "", ...others], features) {
  const asItIs = features.some((feature) => isNamed(first, feature));
  const names = [asItIs ? first : first.trim().replace(/^#/, ""), ...others];
  const alike = new Map();
  for (const [column, name] of names.entries()) {
    for (const key of new Set([name.trim(), featureOf(name).name])) alike.set(key, [...(alike.get(key) ?? []), column]);
  }
  const found = features.map((feature) => {
    const columns = [feature.name.trim(), headerOf(feature)].flatMap((key) => alike.get(key) ?? []);
    return [...new Set(columns)].sort((a, b) => a - b).filter((column) => isNamed(names[column], feature));
  });
  return { names, found };
}

/** As a header has it: `ax [g]`. */
function headerOf({ name, unit }) {
  return unit ? `${name} [${unit}]` : name;
}

/** `ax [g]` or `ax (g)` → a feature with its unit. */
export function featureOf(header) {
  const text = header.trim();
  const at = text.slice(0, -1).lastIndexOf(BRACKETS[text.at(-1)] ?? "\0");
  const name = text.slice(0, Math.max(at, 0)).trim();
  return name ? { name, unit: text.slice(at + 1, -1).trim() } : { name: text, unit: "" };
}

/** A channel's name without its unit, which stands beside it. */
export function bareName(channel, unit) {
  const said = featureOf(channel);
  return said.unit === unit ? said.name : channel;
}

function isNamed(header, feature) {
  const name = feature.name.trim();
  const unit = (feature.unit ?? "").trim();
  if ([name, headerOf(feature)].includes(header.trim())) return true;
  const said = featureOf(header);
  return said.name === name && (!unit || ["", unit].includes(said.unit));
}

/** A feature's name with another unit is a mistake, not a table without names. */
function otherUnits(names, features) {
  const known = new Set(features.map(({ name }) => name.trim()));
  return names.some((name) => known.has(featureOf(name).name));
}

function list(names) {
  return `[${names.map((name) => `'${name}'`).join(", ")}]`;
}
