/**
 * How a table is written: what separates its cells, and its decimal mark. The rule is that of training, streams and
 * scoring (`skiprnn.dialect`); tests/support/table_cases.json holds all to it.
 */

const SEPARATORS = [",", ";", "\t"];
const LINES = 20; // that tell the separator
const SEPARATOR_LINE = /^sep=.\s*$/; // Excel's, which is no row
const COMMA = /^[+-]?\d+,\d+(?:e[+-]?\d+)?$/i;
const POINT = /^[+-]?\d*\.\d*(?:e[+-]?\d+)?$/i;
const THOUSANDS = /^[+-]?[1-9]\d{0,2},\d{3}$/; // 1,234 may be 1234 as well

/**
 * Lines that are not blank, each with its number, as cells.
 * @param {number} width how many cells a line without names has
 */
export function tableOf(text, width) {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/).map((line, index) => ({ line: index + 1, text: line }));
  const filled = lines.filter((line) => line.text.trim() && !SEPARATOR_LINE.test(line.text));
  const separator = separatorOf(filled.slice(0, LINES).map((line) => line.text), width);
  return { separator, rows: filled.map(({ line, text: said }) => ({ line, cells: cellsOf(said, separator) })) };
}

/** That which gives every line as many cells as the first, and the most; as many as `width` come before the most. */
function separatorOf(lines, width) {
  let [best, bestScore] = [",", [0, 0, 1]];
  for (const separator of SEPARATORS) {
    const widths = lines.map((line) => cellsOf(line, separator).length);
    const score = [Number(widths.every((one) => one === widths[0])), Number(widths[0] === width), widths[0] ?? 0];
    if (score[2] > 1 && (bestScore[2] <= 1 || isMore(score, bestScore))) [best, bestScore] = [separator, score];
  }
  return best;
}

function isMore(score, other) {
  const index = score.findIndex((value, at) => value !== other[at]);
  return index >= 0 && score[index] > other[index];
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

/**
 * Whether cells have decimal commas: some number has one, none has a point, and they are not all like 1,234.
 * @param {string[][]} rows of the channels alone
 */
export function hasDecimalCommas(rows) {
  let told = false;
  for (const row of rows) {
    for (const cell of row) {
      if (POINT.test(cell)) return false;
      told ||= COMMA.test(cell) && !THOUSANDS.test(cell);
    }
  }
  return told;
}
