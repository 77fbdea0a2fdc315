/** How a table is written: what separates its cells, and its decimal mark. The rule is that of training (`skiprnn.data.dialect`). */

const SEPARATORS = [",", ";", "\t"];
const LINES = 20; // that tell the separator
const COMMA = /^[+-]?\d+,\d+(?:e[+-]?\d+)?$/i;
const POINT = /^[+-]?\d*\.\d*(?:e[+-]?\d+)?$/i;
const THOUSANDS = /^[+-]?[1-9]\d{0,2},\d{3}$/; // 1,234 may be 1234 as well

/** Lines that are not blank, each with its number, as cells. */
export function rowsOf(text) {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/).map((line, index) => ({ line: index + 1, text: line }));
  const filled = lines.filter((line) => line.text.trim());
  const separator = separatorOf(filled.slice(0, LINES).map((line) => line.text));
  return filled.map(({ line, text: said }) => ({ line, cells: cellsOf(said, separator) }));
}

/** That which gives every line as many cells as the first, and the most. */
function separatorOf(lines) {
  let [best, bestScore] = [",", [0, 1]];
  for (const separator of SEPARATORS) {
    const widths = lines.map((line) => cellsOf(line, separator).length);
    const score = [Number(widths.every((width) => width === widths[0])), widths[0] ?? 0];
    if (score[1] > 1 && (bestScore[1] <= 1 || score[0] > bestScore[0] || (score[0] === bestScore[0] && score[1] > bestScore[1]))) {
      [best, bestScore] = [separator, score];
    }
  }
  return best;
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
