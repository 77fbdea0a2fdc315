/** A pad to draw a digit on, and the few pixels that a network gets of it. */

const PAD = 32; // the drawing's own pixels a side, as in the data that the digits networks learned from
const PEN = 5.2; // of these
const INK_HEIGHT = 26; // what a digit is scaled to, pen width not counted

/** How each digit may be written, so that the shipped networks get it right: strokes of [x, y, x, y, …] in a square of 100. */
const HANDWRITING = [
  [[50, 8, 30, 14, 22, 38, 22, 62, 32, 88, 52, 93, 70, 84, 77, 60, 76, 36, 68, 14, 50, 8]],
  [[45, 6, 43, 4, 35, 56, 52, 96]],
  [[31, 39, 16, 17, 59, 8, 72, 11, 52, 48, 46, 61, 33, 89, 57, 79, 86, 81]],
  [[25, 14, 48, 7, 68, 16, 66, 36, 44, 47, 68, 56, 72, 76, 54, 92, 24, 86]],
  [[46, 8, 24, 60, 50, 62, 80, 58], [64, 36, 56, 93]],
  [[74, 10, 34, 11, 28, 46, 52, 40, 72, 56, 70, 82, 48, 93, 24, 86]],
  [[33, 15, 40, 44, 26, 70, 32, 96, 54, 79, 70, 76, 70, 52, 51, 58, 42, 78]],
  [[22, 12, 48, 10, 76, 11, 58, 50, 44, 92], [36, 52, 70, 50]],
  [[66, 22, 48, 8, 32, 20, 42, 44, 64, 64, 64, 84, 48, 93, 32, 82, 40, 62, 64, 40, 66, 22]],
  [[68, 30, 52, 8, 32, 18, 32, 40, 52, 46, 68, 28, 68, 60, 62, 92]],
];

export class DigitPad {
  #strokes = [];
  #drawing = false;
  #written = null; // the digit that a key wrote; null: the strokes are the visitor's own

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {function} changed called after every stroke
   */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#extend(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.#finish());
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  get empty() {
    return !this.#strokes.length;
  }

  /** The digit that a key wrote; null where the visitor drew. */
  get written() {
    return this.#written;
  }

  clear() {
    this.#strokes = [];
    this.#written = null;
    this.changed();
  }

  /** Draw a digit as somebody might have. */
  write(digit) {
    this.#strokes = HANDWRITING[digit].map((flat) => smooth(points(flat)));
    this.#written = digit;
    this.changed();
  }

  /** The drawing as side × side pixels from 0 to 1 in so many steps, row by row; the digit fills the square. */
  pixels(side, levels) {
    const block = PAD / side;
    const bitmap = this.#bitmap(block < 2 ? side : PAD);
    const n = Math.sqrt(bitmap.length) / side;
    return Array.from({ length: side * side }, (_, index) => {
      const [row, column] = [Math.floor(index / side), index % side];
      let sum = 0;
      for (let y = row * n; y < (row + 1) * n; y++) {
        for (let x = column * n; x < (column + 1) * n; x++) sum += bitmap[y * side * n + x];
      }
      return Math.round((sum / (n * n)) * levels) / levels;
    });
  }

  /** Draw the strokes as they were made. */
  draw(color) {
    const { canvas } = this;
    const size = (canvas.width = canvas.height = Math.round(canvas.clientWidth * devicePixelRatio));
    const context = canvas.getContext("2d");
    context.strokeStyle = color;
    trace(context, this.#strokes, (p) => [(p[0] / 100) * size, (p[1] / 100) * size], size * 0.075);
  }

  #bitmap(side) {
    const context = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
    trace(context, this.#strokes, fitted(this.#strokes, side), (PEN / PAD) * side);
    const { data } = context.getImageData(0, 0, side, side);
    return Array.from({ length: side * side }, (_, index) => data[4 * index + 3] / 255);
  }

  #begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.#drawing = true;
    if (this.#written !== null) this.clear(); // the first stroke on a sample is the first of another digit
    this.#strokes.push([this.#place(event)]);
    this.changed();
  }

  #extend(event) {
    if (!this.#drawing) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) this.#strokes.at(-1).push(this.#place(part));
    this.changed();
  }

  #finish() {
    this.#drawing = false;
  }

  #place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * 100, ((clientY - box.top) / box.height) * 100];
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[0-9]$/.test(event.key)) this.write(Number(event.key));
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
  }
}

function trace(context, strokes, place, width) {
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...place(stroke[0]));
    for (const point of stroke) context.lineTo(...place(point));
    context.stroke();
  }
}

/** The drawing scaled to the square's height and centred, as the data were made. */
function fitted(strokes, side) {
  const all = strokes.flat();
  const [xs, ys] = [all.map((p) => p[0]), all.map((p) => p[1])];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = ((INK_HEIGHT / PAD) * side) / Math.max(bottom - top, right - left, 1);
  const [x0, y0] = [(left + right) / 2, (top + bottom) / 2];
  return ([x, y]) => [side / 2 + (x - x0) * scale, side / 2 + (y - y0) * scale];
}

function points(flat) {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index], flat[2 * index + 1]]);
}

/** A Catmull-Rom curve through points. */
function smooth(knots, steps = 8) {
  const at = (index) => knots[Math.min(Math.max(index, 0), knots.length - 1)];
  const curve = [];
  for (let i = 0; i + 1 < knots.length; i++) {
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    for (let step = 0; step < steps; step++) {
      const s = step / steps;
      curve.push([0, 1].map((k) => b[k] + 0.5 * s * (c[k] - a[k] + s * (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k] + s * (3 * (b[k] - c[k]) + d[k] - a[k])))));
    }
  }
  return [...curve, knots.at(-1)];
}
