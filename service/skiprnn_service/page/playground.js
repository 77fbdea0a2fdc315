/** The playground: choose a model and a source, stream, and see what the network makes of it. */

import { get, HttpError, key, streamUrl } from "./api.js";
import { DigitPad } from "./digit.js";
import { element, outputNames, percent, short, updateCost } from "./panels.js";
import { Player, READ, UNKNOWN } from "./player.js";
import { Scope } from "./scope.js";
import { adding, counted, deviceMotion, fetchCsv, parseCsv, recorded } from "./sources.js";

const RECORDING = "page/exercise.csv";
const DRAWING_SHARE = 5; // a slow machine draws no more than a fifth of the time, and streams in the rest
const RATE = 16; // samples a second, for models that do not say
const SAY_AFTER_MS = 2000; // between two descriptions of the picture for those who cannot see it

const at = (id) => document.getElementById(id);

/** Which drawings a model reads, if any: pixels a side, and the steps from no ink (0) to full ink (1). */
function pixelsOf({ name, training, features }) {
  if (features.length !== 1) return null;
  const task = `${training.task ?? ""} ${name}`;
  if (/digits/.test(task)) return { side: 8, levels: 16 };
  return /mnist/.test(task) ? { side: 28, levels: 255 } : null;
}

/** Whether a source fits a model: true, or why not. */
const FITS = {
  recording: ({ features }) => features.length === 6 || `has 6 channels, the model takes ${features.length}`,
  motion: ({ features }) => features.length === 6 || `gives 6 channels, the model takes ${features.length}`,
  digit: (model) => pixelsOf(model) !== null || "for models of digits",
  adding: ({ features, task, outputs }) =>
    (features.length === 2 && outputs === 1 && task.endsWith("regression")) || "for models that add",
  csv: () => true,
};

export class Playground {
  #models = [];
  #model = null;
  #player = null;
  #source = null;
  #busy = false;
  #until = null; // what the visitor looks back at
  #described = 0;

  constructor() {
    this.scope = new Scope(at("scope"), at("overview"));
    this.pad = new DigitPad(at("pad"), () => this.#drawn());
    this.hints = new Map([...document.querySelectorAll(".choice small")].map((small) => [small, small.textContent]));
    at("digit-keys").append(...Array.from({ length: 10 }, (_, digit) => this.#digitKey(digit)));
    this.#bind();
  }

  /** Which models there are. */
  offer(models) {
    this.#models = models;
    const chosen = at("model").value;
    at("model").replaceChildren(...models.map((model, index) => element("option", { value: String(index) }, optionName(model, models))));
    const same = models.findIndex(({ name, version }) => name === this.#model?.name && version === this.#model?.version);
    const first = Math.max(models.findIndex((model) => FITS.recording(model) === true), 0);
    at("model").value = String(same >= 0 ? same : first);
    at("go").disabled = !models.length;
    if (!models.length) this.#say("This server has no models.");
    else if (chosen === "" || same < 0) this.#chosen();
  }

  /** Take a model, and a source that fits it. */
  choose(model) {
    at("model").value = String(this.#models.indexOf(model));
    this.#chosen();
    at("playground").scrollIntoView();
    at("go").focus({ preventScroll: true });
  }

  /** The theme changed. */
  recolor() {
    this.scope.recolor();
    this.#tintClasses();
    this.#drawPad();
    this.#frame();
  }

  #bind() {
    at("model").addEventListener("change", () => this.#chosen());
    at("controls").addEventListener("change", () => this.#layout());
    at("controls").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#player?.running) this.#player.stop();
      else this.#play();
    });
    at("speed").addEventListener("change", () => this.#player?.setSpeed(this.#rate()));
    at("threshold").addEventListener("input", () => this.#showThreshold());
    at("clear").addEventListener("click", () => this.pad.clear());
    at("look").addEventListener("input", ({ target }) => this.#lookAt(Number(target.value)));
    at("save").addEventListener("click", () => this.#save());
    addEventListener("resize", () => this.recolor());
  }

  #digitKey(digit) {
    const button = element("button", { type: "button", class: "key", "aria-label": `Write ${digit}` }, String(digit));
    button.addEventListener("click", () => this.pad.write(digit));
    return button;
  }

  get #kind() {
    return document.querySelector("input[name=source]:checked")?.value;
  }

  #rate() {
    const speed = Number(at("speed").value);
    return (this.#model.sample_rate ?? RATE) * (this.#kind === "motion" ? 1 : speed);
  }

  #chosen() {
    this.#player?.stop();
    this.#model = this.#models[Number(at("model").value)];
    const { cell, hidden, layers, features } = this.#model;
    at("threshold").value = String(this.#model.threshold);
    at("model-hint").textContent = `${layers > 1 ? `${layers} × ` : ""}${cell.toUpperCase()} of ${hidden} units, ${counted(features.length, "feature")}`;
    const radios = [...document.querySelectorAll("input[name=source]")];
    for (const radio of radios) {
      const fits = FITS[radio.value](this.#model);
      radio.disabled = fits !== true;
      const small = radio.parentElement.querySelector("small");
      small.textContent = fits === true ? this.hints.get(small) : fits;
    }
    const checked = radios.find((radio) => radio.checked && !radio.disabled);
    (checked ?? radios.find((radio) => !radio.disabled)).checked = true;
    this.#layout();
    this.#reset();
  }

  #layout() {
    this.#showThreshold();
    at("csv-field").hidden = this.#kind !== "csv";
    at("digit").hidden = this.#kind !== "digit";
    at("speed").disabled = this.#kind === "motion";
    at("playground").dataset.source = this.#kind;
    if (this.#kind === "digit" && this.pad.empty) this.pad.write(3);
    else this.recolor();
  }

  /** The gate's threshold, and what it led to on the data that the network was judged on. */
  #showThreshold() {
    const threshold = Number(at("threshold").value);
    at("threshold-said").textContent = threshold.toFixed(2);
    const known = this.#model.training.thresholds?.toSorted((a, b) => Math.abs(a.threshold - threshold) - Math.abs(b.threshold - threshold))[0];
    at("threshold-hint").textContent = known ? `update rate about ${percent(known.update_rate, 1, 0)}` : "higher: fewer updates";
  }

  #reset() {
    this.#player = null;
    this.#bigAnswer("?", "no answer yet");
    this.scope.begin(this.#model, null);
    this.#showClasses();
    this.#frame();
  }

  async #open() {
    const { features } = this.#model;
    switch (this.#kind) {
      case "recording":
        return fetchCsv(RECORDING, features);
      case "digit": {
        if (this.pad.empty) throw new Error("Draw a digit first.");
        const { side, levels } = pixelsOf(this.#model);
        return recorded(this.pad.pixels(side, levels).map((value) => [value]), ["ink"]);
      }
      case "motion":
        return deviceMotion();
      case "adding":
        return adding();
      default: {
        const [file] = at("csv").files;
        if (!file) throw new Error("Choose a CSV file first.");
        return parseCsv(await textOf(file), features);
      }
    }
  }

  async #play() {
    if (this.#busy) return;
    this.#busy = true;
    this.#say("Connecting.");
    try {
      this.#source = await this.#open();
      await this.#run();
    } catch (error) {
      this.#say(error.message, "bad");
    } finally {
      this.#source?.stop?.();
      this.#busy = false;
      this.#button("Again");
    }
  }

  #url() {
    const url = streamUrl(this.#model);
    const threshold = Number(at("threshold").value);
    if (threshold !== this.#model.threshold) url.searchParams.set("threshold", threshold);
    return url;
  }

  async #run() {
    this.#until = null;
    this.scope.begin(this.#model, this.#source.channels);
    const player = (this.#player = new Player(this.#source, {
      url: this.#url(),
      apiKey: key(),
      rate: this.#rate(),
      honourWake: at("wake").checked,
      heard: (state) => this.#heard(state),
    }));
    this.#button("Stop");
    const over = player.play();
    this.#follow(player);
    await over;
    if (player !== this.#player) return;
    this.#frame();
    this.#describe(true);
    if (player.error) this.#say(await this.#reason(player), "bad");
    else this.#say(this.#summary(player));
  }

  /** A browser does not tell a page why a handshake was rejected: ask again in a way that answers. */
  async #reason({ error, ready }) {
    if (ready) return `The stream broke: ${error.message}`;
    const { name, version } = this.#model;
    try {
      await get(`v1/models/${encodeURIComponent(name)}?version=${encodeURIComponent(version)}`);
      return "The server rejected the stream; it may be full.";
    } catch (said) {
      return said instanceof HttpError ? `The server rejected the stream: ${said.message}` : "The server does not answer.";
    }
  }

  #summary({ updates, samples, source }) {
    const without = source.columnsLeftOut?.length ? ` Columns left out: ${source.columnsLeftOut.join(", ")}.` : "";
    const sum = `${counted(updates.length, "update")} on ${counted(samples, "sample")} (${percent(updates.length, samples)}).${without}`;
    if (source.answer === undefined || !updates.length) return sum;
    return `${sum} The sum is ${source.answer.toFixed(3)}; the network’s output is ${updates.at(-1).y[0].toFixed(3)}.`;
  }

  #heard(state) {
    if (state.kind === "leaving") this.#say("The server is about to restart.", "warn");
    else if (state.kind === "lost") this.#say(`Connection lost. Trying again (try ${state.attempt}).`, "warn");
    else {
      const how = state.resumed
        ? "the server resumed the stream"
        : `the server no longer had the stream, so its samples were sent again`;
      this.#say(`Reconnected after ${(state.ms / 1000).toFixed(1)} s: ${how}. Nothing was lost.`);
    }
  }

  #follow(player) {
    let next = 0;
    const frame = (now) => {
      if (player !== this.#player) return;
      if (this.#busy) requestAnimationFrame(frame);
      if (now < next) return;
      const start = performance.now();
      this.#frame();
      next = now + DRAWING_SHARE * (performance.now() - start);
      this.#describe(false);
      if (player.running && !this.said && player.updates.length) {
        this.#say("Live.");
        this.said = true;
      }
    };
    this.said = false;
    requestAnimationFrame(frame);
  }

  #frame() {
    if (!this.#model) return;
    const player = this.#player;
    this.scope.draw(player, this.#until);
    this.#showPixels();
    if (!player) return;
    this.#showAnswer(player);
    this.#showCosts(player);
    const look = at("look");
    look.max = String(player.head);
    look.disabled = !player.head;
    if (this.#until === null) look.value = look.max;
    at("save").disabled = player.running || !player.updates.length;
  }

  #lookAt(sample) {
    this.#until = sample >= this.#player.head ? null : sample;
    at("look").setAttribute("aria-valuetext", `sample ${sample} of ${this.#player.head}`);
    this.#frame();
  }

  #button(text) {
    at("go").textContent = text;
    at("go").classList.toggle("running", text === "Stop");
  }

  #say(text, tone = "") {
    at("status").textContent = text;
    at("status").dataset.tone = tone;
  }

  // -- the answer

  #showClasses() {
    const names = outputNames(this.#model, (index) => `value ${index + 1}`);
    const bar = () => (this.#model.classes.length ? [element("span", { class: "bar", "aria-hidden": "true" }, element("i"))] : []);
    at("classes").replaceChildren(...names.map((name) => element("li", {}, element("span", {}, name), ...bar(), element("output", {}, "–"))));
    this.#tintClasses();
  }

  #tintClasses() {
    [...at("classes").children].forEach((item, index) => item.style.setProperty("--tint", this.scope.tint(index).bar));
  }

  #showAnswer(player) {
    const said = player.updates;
    const head = this.#until ?? player.head;
    const { y } = said.findLast(({ t }) => t < head) ?? {};
    if (!y) return;
    this.#bigAnswer(...this.#answer(y));
    const holding = saidBy(this.#model, y);
    [...at("classes").children].forEach((item, index) => {
      item.classList.toggle("best", holding.includes(index));
      item.lastChild.textContent = this.#model.classes.length ? y[index].toFixed(2) : valueText(y[index]);
      item.style.setProperty("--level", y[index].toFixed(4));
    });
  }

  /** The answer in words, and how sure of it the network is. */
  #answer(y) {
    const { classes, multi_label: several } = this.#model;
    if (!classes.length) return [valueText(y[0]), outputNames(this.#model, () => "")[0]];
    const said = saidBy(this.#model, y);
    if (several) return [said.map((index) => classes[index]).join(" + ") || "none", "of the labels, at 50 % or more"];
    return [classes[said[0]], `${percent(y[said[0]], 1, 0)} sure`];
  }

  #bigAnswer(name, how) {
    const [big, small] = at("answer").children;
    big.textContent = name;
    small.textContent = how;
  }

  #showCosts({ samples, updates, sent, messages, latency, head }) {
    const read = updates.filter(({ t }) => t < head).length;
    const cost = updateCost(this.#model);
    const bytes = 4 * this.#model.features.length;
    at("share").querySelector("i").style.width = `${samples ? (100 * read) / samples : 0}%`;
    at("share").setAttribute("aria-label", `${read} updates on ${samples} samples`);
    const tiles = {
      read: [percent(read, samples), `${read.toLocaleString("en")} of ${samples.toLocaleString("en")} samples`],
      saved: [percent(samples - read, samples), `${short((samples - read) * cost)} of ${short(samples * cost)} multiply-accumulates`],
      sent: [percent(Math.min(sent, samples), samples), `${short(sent * bytes)} B of samples, ${counted(messages, "message")}`],
      latency: latency ? [`${latency.median.toFixed(1)} ms`, `median; 99 % under ${latency.p99.toFixed(1)} ms`] : ["–", ""],
    };
    for (const [name, [value, sub]] of Object.entries(tiles)) {
      at(`tile-${name}`).textContent = value;
      at(`tile-${name}-sub`).textContent = sub;
    }
  }

  /** Say in words what the picture shows. */
  #describe(now) {
    const player = this.#player;
    if (!player || (!now && performance.now() - this.#described < SAY_AFTER_MS)) return;
    this.#described = performance.now();
    const { y } = player.updates.at(-1) ?? {};
    const answer = y ? ` ${this.#model.classes.length && !this.#model.multi_label ? "Most probable: " : ""}${this.#answer(y)[0]}.` : "";
    at("scope").setAttribute("aria-label", `Signal of ${counted(this.#model.features.length, "channel")}. ${this.#summary(player)}${answer}`);
  }

  #save() {
    const names = outputNames(this.#model, (index) => `y${index}`);
    const lines = [["t", ...names].map(quoted), ...this.#player.updates.map(({ t, y }) => [t, ...y])];
    const link = element("a", { download: `${this.#model.name}-updates.csv` });
    link.href = URL.createObjectURL(new Blob([lines.map((line) => `${line.join(",")}\n`).join("")], { type: "text/csv" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // -- the digit

  #drawn() {
    if (this.#player && !this.#player.running) this.#reset();
    this.#drawPad();
    this.#showPixels();
  }

  #drawPad() {
    if (this.#kind === "digit") this.pad.draw(getComputedStyle(at("pad")).color);
  }

  #showPixels() {
    const grid = this.#kind === "digit" && pixelsOf(this.#model);
    if (!grid) return;
    const streamed = this.#player?.source.rows(0).map(([value]) => value);
    const values = streamed ?? (this.pad.empty ? Array(grid.side ** 2).fill(0) : this.pad.pixels(grid.side, grid.levels));
    const cells = at("pixels");
    if (cells.children.length !== values.length) {
      cells.style.setProperty("--side", grid.side);
      cells.replaceChildren(...values.map(() => element("i")));
    }
    values.forEach((value, index) => this.#showPixel(cells.children[index], value, index));
    const read = this.#player ? values.filter((_, t) => this.#player.mark(t) === READ && t < this.#player.head).length : 0;
    cells.setAttribute("aria-label", `What the network gets: ${grid.side} by ${grid.side} pixels; ${read} updates so far`);
  }

  #showPixel(cell, ink, t) {
    const passed = this.#player && t < this.#player.head;
    const mark = passed ? this.#player.mark(t) : UNKNOWN;
    cell.className = mark === UNKNOWN ? "" : mark === READ ? "read" : "skipped";
    cell.style.setProperty("--level", ink.toFixed(3));
  }
}

/** Indices of the classes that hold: the most probable one, or, of independent labels, those at 50 % or more. */
function saidBy({ classes, multi_label: several }, y) {
  if (!classes.length) return [];
  return several ? [...y.keys()].filter((index) => y[index] >= 0.5) : [y.indexOf(Math.max(...y))];
}

/** A value of a regression, at most four digits after the point. */
function valueText(value) {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
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

function quoted(name) {
  return /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}

function optionName({ name, version }, models) {
  return models.filter((model) => model.name === name).length > 1 ? `${name}, version ${version}` : name;
}
