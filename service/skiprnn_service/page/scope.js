/** The picture of a stream: signal, what was read and what was skipped, and what the network said, on one axis of time. */

import { bareName } from "./channels.js";
import { isRegression } from "./outputs.js";
import { LEFT_OUT, READ, SKIPPED } from "./player.js";

const MOST_SHOWN = 400; // samples
const LEAST_PX = 1.6; // a sample
const FUTURE = 0.08; // of the width, for the samples that are known to be skipped next
const MOST_LANES = 4;
const WIDER = 4; // times as many samples are shown of a stream of events, in which little happens
const MOST_TRACES = 3; // in a lane
const DOT_SPACING_PX = 8; // between updates, on average, where dots can be told apart
const RASTER_PX = 30;
const CAPTION_PX = 13; // above a track
const TRACK_PX = 18; // of what was said, or of the truth
const TRACK_GAP_PX = 4;
const AXIS_PX = 20;
const GAP_PX = 10;
const FLAG_PX = 16; // of an event
const LABEL_PX = 18; // above the curves of a lane
const HUES = [150, 75, 310, 200, 115, 45, 285, 175, 95, 130];
const RANGE_EASE = 0.06; // how fast a lane's scale follows a signal that became smaller

/** Samples shown side by side: first, one past the last, and where they are. */
class View {
  constructor(width, head, length, follow, times) {
    const least = LEAST_PX / times;
    this.past = width * (Number.isFinite(length) && length * least * 2 <= width ? 1 : 1 - FUTURE);
    const fits = Math.floor(this.past / least);
    this.count = Math.min(MOST_SHOWN * times, fits, Math.max(length, 8));
    this.px = this.past / this.count;
    const end = follow ?? head;
    this.first = Math.max(0, end - this.count);
    this.end = Math.max(end, this.count);
    this.width = width;
  }

  x(t) {
    return (t - this.first) * this.px;
  }
}

export class Scope {
  #ranges = [];
  #colors = {};

  /**
   * @param {HTMLCanvasElement} canvas of the signal
   * @param {HTMLCanvasElement} overview of the whole stream
   */
  constructor(canvas, overview) {
    this.canvas = canvas;
    this.overview = overview;
    this.recolor();
  }

  /** Take the colours of the page's theme. */
  recolor() {
    const style = getComputedStyle(document.documentElement);
    const names = ["ink", "muted", "rule", "read", "skip", "skip-faint", "read-faint", "panel"];
    for (const name of names) this.#colors[name] = style.getPropertyValue(`--${name}`).trim();
    this.#colors.traces = [1, 2, 3].map((n) => style.getPropertyValue(`--trace-${n}`).trim());
    this.#colors.classes = classColors(style);
  }

  /** Colours of a class: band, text on it, bar. */
  tint(index) {
    return this.#colors.classes[index % HUES.length];
  }

  /** A new stream begins. */
  begin(model, channels) {
    this.model = model;
    this.lanes = lanesOf(model, channels);
    this.#ranges = this.lanes.map(() => null);
    this.tracks = [];
  }

  /**
   * Draw.
   * @param {Player|null} player
   * @param {number|null} until the last sample to show; null: the latest
   * @param {{name: string, said: {t: number, y: ?number[], label: ?string}[]}[]} tracks below the signal: what was said
   *   from sample t on, by the network and by others
   */
  draw(player, until, tracks = []) {
    this.tracks = tracks;
    const { context, width, height } = prepared(this.canvas);
    this.#frame(context, width, height);
    if (!player) {
      prepared(this.overview);
      return;
    }
    const view = new View(width, player.head, player.source.length, until, this.model.events ? WIDER : 1);
    const signalPx = this.#signalPx(height);
    const laneHeight = (signalPx - GAP_PX * (this.lanes.length - 1)) / this.lanes.length;
    this.dots = this.#updates(context, view, player, signalPx) * DOT_SPACING_PX < view.past;
    this.lanes.forEach((lane, index) => {
      const top = index * (laneHeight + GAP_PX);
      this.#lane(context, view, player, lane, index, top, laneHeight);
    });
    this.#alarms(context, view, player, signalPx);
    this.#raster(context, view, player, signalPx + GAP_PX);
    this.canvas.dataset.rasterTop = signalPx + GAP_PX;
    this.#said(context, view, player, signalPx + RASTER_PX + 2 * GAP_PX);
    this.#axis(context, view, height - AXIS_PX);
    this.#whole(player, view);
  }

  #signalPx(height) {
    const tracks = Math.max(this.tracks.length, 1) * (CAPTION_PX + TRACK_PX + TRACK_GAP_PX);
    return height - RASTER_PX - tracks - AXIS_PX - 2 * GAP_PX;
  }

  #frame(context, width, height) {
    const y = this.#signalPx(height) + GAP_PX;
    context.fillStyle = this.#colors["skip-faint"];
    context.globalAlpha = 0.35;
    context.fillRect(0, y + RASTER_PX / 2 - 1, width, 2);
    context.globalAlpha = 1;
  }

  /** A hair for every update, through all lanes; returns how many. */
  #updates(context, view, player, height) {
    context.fillStyle = this.#colors["read-faint"];
    let updates = 0;
    for (let t = view.first; t < Math.min(view.end, player.head); t++) {
      if (player.mark(t) !== READ) continue;
      context.fillRect(view.x(t + 0.5) - 0.5, 0, 1, height);
      updates++;
    }
    return updates;
  }

  #lane(context, view, player, lane, index, top, height) {
    const end = Math.min(view.end, player.head);
    const rows = player.source.rows(end);
    const range = this.#range(index, rows, lane, view.first, end);
    const room = height - LABEL_PX - 3;
    const y = (value) => top + height - 3 - ((value - range.low) / (range.high - range.low || 1)) * room;
    lane.columns.forEach((column, trace) => {
      context.strokeStyle = this.#colors.traces[trace];
      context.lineWidth = 1.25;
      context.beginPath();
      for (let t = view.first; t < end; t++) context.lineTo(view.x(t + 0.5), y(rows[t][column]));
      context.stroke();
      if (this.dots) this.#dots(context, view, player, end, (t) => y(rows[t][column]));
    });
    this.#label(context, lane, top);
  }

  #dots(context, view, player, end, y) {
    context.fillStyle = this.#colors.read;
    context.beginPath();
    for (let t = view.first; t < end; t++) {
      if (player.mark(t) !== READ) continue;
      context.moveTo(view.x(t + 0.5) + 2, y(t));
      context.arc(view.x(t + 0.5), y(t), 2, 0, 7);
    }
    context.fill();
  }

  #range(index, rows, lane, first, end) {
    let [low, high] = [Infinity, -Infinity];
    for (let t = first; t < end; t++) {
      for (const column of lane.columns) {
        low = Math.min(low, rows[t][column]);
        high = Math.max(high, rows[t][column]);
      }
    }
    const last = this.#ranges[index];
    if (low > high) return last ?? { low: 0, high: 1 };
    const ease = (now, then, outwards) => (outwards ? now : then + (now - then) * RANGE_EASE);
    const range = last
      ? { low: ease(low, last.low, low < last.low), high: ease(high, last.high, high > last.high) }
      : { low, high };
    this.#ranges[index] = range;
    return range;
  }

  #label(context, lane, top) {
    context.font = `11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.textBaseline = "top";
    let x = 0;
    const widths = lane.names.map((name) => context.measureText(name).width + 8);
    lane.names.forEach((name, index) => {
      context.fillStyle = this.#colors.traces[index];
      context.fillText(name, x, top + 1);
      x += widths[index];
    });
    context.fillStyle = this.#colors.muted;
    context.fillText(lane.unit, x, top + 1);
  }

  /** A line through all lanes where an alarm was given, and a flag with its class. */
  #alarms(context, view, player, height) {
    context.font = `600 11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.textBaseline = "middle";
    for (const { t, label } of player.events) {
      if (t < view.first || t >= Math.min(view.end, player.head)) continue;
      const { band, text } = this.tint(this.model.classes.indexOf(label));
      const [x, wide] = [Math.round(view.x(t + 0.5)), context.measureText(label).width + 12];
      const left = Math.min(x, view.width - wide);
      context.fillStyle = this.#colors.ink;
      context.fillRect(x - 1, 0, 2, height);
      context.fillStyle = band;
      context.fillRect(left, 0, wide, FLAG_PX);
      context.fillStyle = text;
      context.fillText(label, left + 6, FLAG_PX / 2 + 1);
    }
  }

  #raster(context, view, player, top) {
    const ratio = devicePixelRatio;
    const known = Math.min(player.head, player.source.length);
    const future = Math.min(player.wake, player.source.length, view.first + Math.ceil(view.width / view.px));
    for (const updates of [false, true]) { // which are not painted over where samples are narrow
      for (let t = view.first; t < Math.min(view.end, known); t++) {
        const mark = player.mark(t);
        if ((mark === READ) === updates) this.#column(context, view, mark, t, top, ratio);
      }
    }
    if (!player.running || view.end < known) return;
    context.globalAlpha = 0.4;
    for (let t = known; t < future; t++) this.#column(context, view, LEFT_OUT, t, top, ratio);
    context.globalAlpha = 1;
    if (future < player.source.length && view.x(future) < view.width - 2) this.#nextLook(context, view, future, top);
  }

  #column(context, view, mark, t, top, ratio) {
    const left = Math.round(view.x(t) * ratio) / ratio;
    const gap = view.px > 4 ? 1 : view.px > 2.4 ? 0.5 : 0;
    const width = Math.max(Math.round(view.x(t + 1) * ratio) / ratio - left - gap, 1 / ratio);
    const tall = mark === READ ? RASTER_PX : RASTER_PX * 0.44;
    context.fillStyle = { [READ]: this.#colors.read, [SKIPPED]: this.#colors.skip, [LEFT_OUT]: this.#colors["skip-faint"] }[mark] ?? this.#colors.rule;
    context.fillRect(left, top + (RASTER_PX - tall) / 2, width, tall);
  }

  #nextLook(context, view, t, top) {
    context.strokeStyle = this.#colors.read;
    context.lineWidth = 1;
    context.setLineDash([2, 2]);
    context.strokeRect(Math.round(view.x(t)) + 0.5, top + 0.5, Math.max(Math.round(view.px) - 1, 2), RASTER_PX - 1);
    context.setLineDash([]);
  }

  /** What was said, track by track: a class as a band, labels and values as step lines, the truth in words. */
  #said(context, view, player, top) {
    const end = Math.min(view.end, player.head);
    const shown = this.tracks.map(({ name, said }) => ({ name, parts: partsIn(said, view, end) }));
    const values = shown.flatMap(({ parts }) => parts.flatMap(({ y }) => (y ? [y] : [])));
    shown.forEach(({ name, parts }, index) => {
      const y = top + index * (CAPTION_PX + TRACK_PX + TRACK_GAP_PX);
      this.#caption(context, name, y);
      const lines = (isRegression(this.model) || this.model.multi_label) && parts.some((part) => part.y);
      if (lines) this.#steps(context, view, parts, values, y + CAPTION_PX);
      else this.#band(context, view, parts, y + CAPTION_PX);
    });
  }

  #caption(context, name, top) {
    context.font = `11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.textBaseline = "top";
    context.fillStyle = this.#colors.muted;
    context.fillText(name, 0, top);
  }

  #band(context, view, parts, top) {
    context.font = `600 11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.textBaseline = "middle";
    for (const { from, until, index, name } of runs(parts, this.model)) {
      const [x, width] = [view.x(from), view.x(until) - view.x(from)];
      const color = index < 0 ? { band: this.#colors.rule, text: this.#colors.ink } : this.tint(index);
      context.fillStyle = color.band;
      context.fillRect(x, top, Math.max(width - 1, 0.5), TRACK_PX);
      if (context.measureText(name).width + 12 > width) continue;
      context.fillStyle = color.text;
      context.fillText(name, x + 6, top + TRACK_PX / 2 + 1);
    }
  }

  /** A line an output: probabilities from 0 to 1, each value of a regression over its range in all tracks. */
  #steps(context, view, parts, all, top) {
    for (let k = 0; k < Math.min(this.model.outputs, HUES.length); k++) {
      const values = all.flatMap((y) => (Number.isFinite(y[k]) ? [y[k]] : []));
      const [low, high] = isRegression(this.model) ? [Math.min(...values), Math.max(...values)] : [0, 1];
      const y = (value) => top + TRACK_PX - 2 - ((value - low) / (high - low || 1)) * (TRACK_PX - 4);
      context.strokeStyle = this.model.outputs === 1 ? this.#colors.ink : this.tint(k).bar;
      context.lineWidth = 1.5;
      context.beginPath();
      for (const { from, until, y: said } of parts) {
        if (said?.[k] === undefined) continue;
        context.lineTo(view.x(from), y(said[k]));
        context.lineTo(view.x(until), y(said[k]));
      }
      context.stroke();
    }
  }

  #axis(context, view, top) {
    const rate = this.model.sample_rate;
    const step = roundStep((70 / view.px) / (rate ?? 1)) * (rate ?? 1);
    context.font = `11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.textBaseline = "top";
    for (let k = Math.ceil(view.first / step); k * step < view.first + view.width / view.px; k++) {
      const x = view.x(k * step);
      context.fillStyle = this.#colors.rule;
      context.fillRect(x, top - 2, 1, 5);
      const said = rate ? `${Number(((k * step) / rate).toFixed(2))} s` : `${Math.round(k * step)}`;
      if (x + context.measureText(said).width + 4 > view.width) continue;
      context.fillStyle = this.#colors.muted;
      context.fillText(said, x + 4, top + 4);
    }
  }

  /** The whole stream, small: how much was read, column by column, and which part the large picture shows. */
  #whole(player, view) {
    const { context, width, height } = prepared(this.overview);
    const length = Number.isFinite(player.source.length) ? player.source.length : Math.max(player.head, 1);
    const columns = Math.max(Math.floor(width), 1);
    const read = new Float32Array(columns);
    const per = length / columns;
    for (const { t } of player.updates) if (t < player.head) read[Math.min(Math.floor(t / per), columns - 1)]++;
    const passed = (player.samples / length) * columns;
    context.fillStyle = this.#colors["skip-faint"];
    context.fillRect(0, height / 2 - 3, passed, 6);
    context.fillStyle = this.#colors.read;
    const most = Math.max(per, 1);
    read.forEach((count, column) => {
      if (!count) return;
      const tall = Math.max(Math.sqrt(count / most) * height, 6);
      context.fillRect(column, (height - tall) / 2, Math.max(1 / per, 1), tall);
    });
    context.fillStyle = this.#colors.ink;
    for (const { t } of player.events) {
      const x = (t / length) * width;
      context.fillRect(x - 0.5, 0, 1.5, height);
      context.beginPath();
      context.moveTo(x - 3.5, 0);
      context.lineTo(x + 4, 0);
      context.lineTo(x + 0.25, 5);
      context.fill();
    }
    context.strokeStyle = this.#colors.muted;
    const [from, until] = [view.first, Math.min(view.first + view.count, length)].map((t) => (t / length) * width);
    context.strokeRect(from + 0.5, 0.5, Math.max(until - from - 1, 4), height - 1);
  }
}

/** What was said within the view, from each sample until the next. */
function partsIn(said, view, end) {
  const parts = [];
  for (let i = Math.max(said.findLastIndex(({ t }) => t <= view.first), 0); i < said.length && said[i].t < end; i++) {
    const until = Math.min(said[i + 1]?.t ?? end, end);
    parts.push({ ...said[i], from: Math.max(said[i].t, view.first), until });
  }
  return parts;
}

/** Neighbours of the same class or label, joined; no label is no run. */
function runs(parts, { classes }) {
  const joined = [];
  for (const { from, until, y, label } of parts) {
    const index = y ? y.indexOf(Math.max(...y)) : classes.indexOf(label);
    const name = y ? (classes[index] ?? `class ${index}`) : label;
    if (joined.at(-1)?.name === name) joined.at(-1).until = until;
    else joined.push({ from, until, index, name });
  }
  return joined.filter(({ name }) => name);
}

/** A canvas of its place's size, in CSS pixels, cleared. */
function prepared(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const context = canvas.getContext("2d");
  context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** Features of one unit share a lane, a few at most; those without one do where there are many. */
function lanesOf(model, channels) {
  const lanes = [];
  const alike = (unit, lane) => lane.unit === unit && (unit !== "" || model.features.length > MOST_LANES);
  model.features.forEach(({ name, unit }, column) => {
    const last = lanes.at(-1);
    const said = bareName(channels?.[column] ?? name, unit ?? "");
    if (last && alike(unit ?? "", last) && last.columns.length < MOST_TRACES) {
      last.columns.push(column);
      last.names.push(said);
    } else lanes.push({ unit: unit ?? "", columns: [column], names: [said] });
  });
  return lanes.slice(0, MOST_LANES);
}

/** Colours of classes: neither the red of reading nor the blue of skipping. */
function classColors(style) {
  const names = ["--class-l", "--class-c", "--class-text-l", "--bar-l"];
  const [light, chroma, text, bar] = names.map((name) => style.getPropertyValue(name).trim());
  const tone = (lightness, hue) => `oklch(${lightness} ${chroma} ${hue})`;
  return HUES.map((hue) => ({ band: tone(light, hue), text: tone(text, hue), bar: tone(bar, hue) }));
}

function roundStep(least) {
  const ten = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((n) => n * ten).find((step) => step >= least);
}
