/** The playground: choose a model and a source, stream, and see what the network makes of it. */

import { get, HttpError, key, keyProblem, modelPath, streamUrl } from "./api.js";
import { everySample } from "./comparison.js";
import { DigitPad } from "./digit.js";
import { Events } from "./events.js";
import { answerOf, changesOf, outputNames, timeText } from "./outputs.js";
import { element, percent } from "./panels.js";
import { Player, READ, UNKNOWN } from "./player.js";
import { rateSaid } from "./rate.js";
import { Results } from "./results.js";
import { Scope } from "./scope.js";
import { adding, counted, deviceMotion, fetchRecording, readFile, recorded, takesMotion } from "./sources.js";

const DRAWING_SHARE = 5; // a slow machine draws no more than a fifth of the time, and streams in the rest
const RATE = 16; // samples a second, for models that do not say
const SAY_AFTER_MS = 2000; // between two descriptions of the picture for those who cannot see it
const AFTER_EVENT_SECONDS = 4; // that are shown of what came after an alarm
const NOTHING_TO_PLAY = "No recording came with this model: choose a CSV file, or connect a sensor.";

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
  recording: ({ recording }) => recording || "none came with this model",
  motion: (model) => takesMotion(model) || "for models of ax, ay, az in g and gx, gy, gz in rad/s",
  digit: (model) => pixelsOf(model) !== null || "for models of digits",
  adding: ({ name, training, features, outputs }) =>
    (/adding/.test(`${training.task ?? ""} ${name}`) && features.length === 2 && outputs === 1) || "for models that add",
  csv: () => true,
};

export class Playground {
  #models = [];
  #model = null;
  #run = null; // what is being played: a token, so that what a run leaves behind is not taken for the next
  #over = Promise.resolve(); // when the latest stream has ended
  #player = null;
  #source = null;
  #file = null; // the chosen CSV file, as a promise of a source
  #every = {}; // the same network, updated at every sample
  #tracks = []; // of the picture, beside what the network says
  #until = null; // what the visitor looks back at
  #touched = false; // the visitor has chosen something
  #described = 0;

  constructor() {
    this.scope = new Scope(at("scope"), at("overview"));
    this.results = new Results((index) => this.scope.tint(index).bar);
    this.events = new Events((t) => this.#lookAtEvent(t), (index) => this.scope.tint(index));
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
    const first = Math.max(models.findIndex(({ recording }) => recording), 0);
    at("model").value = String(same >= 0 ? same : first);
    at("go").disabled = !models.length;
    if (!models.length) this.#say("This server has no models.");
    else if (chosen === "" || same < 0) this.#chosen();
  }

  /** Take a model, and a source that fits it. */
  choose(model) {
    this.#touched = true;
    at("model").value = String(this.#models.indexOf(model));
    this.#chosen();
    at("playground").scrollIntoView();
    at("go").focus({ preventScroll: true });
  }

  /** Play the recording that came with a model, unless the visitor was faster. */
  playByItself() {
    if (!this.#touched && !this.#run && this.#model?.recording && this.#kind === "recording") this.#play();
  }

  /** The theme changed. */
  recolor() {
    this.scope.recolor();
    this.results.recolor();
    this.events.recolor();
    this.#drawPad();
    this.#frame();
  }

  #bind() {
    at("controls").addEventListener("input", () => (this.#touched = true));
    at("model").addEventListener("change", () => this.#chosen());
    for (const radio of document.querySelectorAll("input[name=source]")) radio.addEventListener("change", () => this.#sourceChosen());
    at("csv").addEventListener("change", () => this.#fileChosen());
    at("controls").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#touched = true;
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

  /** Another model: whatever was shown was of the one before. */
  #chosen() {
    this.#model = this.#models[Number(at("model").value)];
    const { cell, hidden, layers, features, gate } = this.#model;
    at("threshold").value = String(this.#model.threshold);
    const network = `${layers > 1 ? `${layers} × ` : ""}${cell.toUpperCase()} of ${hidden} units, ${counted(features.length, "feature")}`;
    at("model-hint").textContent = gate ? `${network}; gate: ${gate}` : network;
    const radios = [...document.querySelectorAll("input[name=source]")];
    for (const radio of radios) {
      const fits = FITS[radio.value](this.#model);
      radio.disabled = fits !== true;
      const small = radio.parentElement.querySelector("small");
      small.textContent = fits === true ? this.hints.get(small) : fits;
    }
    const checked = radios.find((radio) => radio.checked && !radio.disabled);
    const fitting = radios.find((radio) => !radio.disabled);
    (fitting.value !== "csv" && checked?.value === "csv" && !at("csv").files.length ? fitting : (checked ?? fitting)).checked = true;
    this.#sourceChosen();
  }

  #sourceChosen() {
    if (!this.#model) return;
    this.#abandon();
    this.#layout();
    this.#say(this.#kind === "csv" && !this.#model.recording ? NOTHING_TO_PLAY : "Ready.");
    if (this.#kind !== "csv") return;
    at("options").open = true; // where it is folded: there the file is chosen
    this.#fileChosen();
  }

  /** Read a file as soon as it is chosen: what is wrong with it is said now. */
  async #fileChosen() {
    const [file] = at("csv").files;
    if (!this.#model) return;
    this.#abandon();
    const source = (this.#file = file ? readFile(file, this.#model) : null);
    at("csv").removeAttribute("aria-invalid");
    try {
      const read = await source;
      if (read && source === this.#file) this.#say(`${file.name}: ${counted(read.length, "sample")}.${leftOutSaid(read)}${read.labels ? " The column of labels is the truth." : ""}${rateSaid(read.time, this.#model.sample_rate)}`);
    } catch (error) {
      if (source !== this.#file) return;
      at("csv").setAttribute("aria-invalid", "true");
      this.#say(error.message, "bad");
    }
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
    const known = this.#model?.training.thresholds?.toSorted((a, b) => Math.abs(a.threshold - threshold) - Math.abs(b.threshold - threshold))[0];
    at("threshold-hint").textContent = known ? `update rate about ${percent(known.update_rate, 1, 0)}` : "higher: fewer updates";
  }

  /** Stop what plays, and forget it. */
  #abandon() {
    this.#player?.stop();
    this.#run = null;
    this.#button("Start");
    this.#reset();
  }

  #reset() {
    this.#player = this.#until = null;
    [this.#every, this.#tracks] = [{}, []];
    this.scope.begin(this.#model, null);
    this.results.clear(this.#model);
    this.events.clear(this.#model);
    [at("look").max, at("look").value, at("look").disabled, at("save").disabled] = ["0", "0", true, true];
    at("look").removeAttribute("aria-valuetext");
    at("scope").setAttribute("aria-label", `Signal of ${counted(this.#model.features.length, "channel")}. Nothing was streamed yet.`);
    this.#frame();
  }

  async #open() {
    switch (this.#kind) {
      case "recording":
        return fetchRecording(this.#model);
      case "digit": {
        if (this.pad.empty) throw new Error("Draw a digit first.");
        const { side, levels } = pixelsOf(this.#model);
        const pixels = this.pad.pixels(side, levels).map((value) => [value]);
        const { written } = this.pad;
        return recorded(pixels, ["ink"], written === null ? {} : { answer: String(written), whence: "the key that wrote it" });
      }
      case "motion":
        return deviceMotion();
      case "adding":
        return adding();
      default:
        if (!this.#file) throw new Error("Choose a CSV file first.");
        return this.#file;
    }
  }

  async #play() {
    if (this.#run) return;
    const run = (this.#run = {});
    this.#say("Connecting.");
    await this.#over;
    this.#over = this.#stream(run);
    await this.#over;
    if (run !== this.#run) return;
    this.#run = null;
    this.#button("Again");
  }

  async #stream(run) {
    let source = null;
    try {
      source = await this.#open();
      if (run === this.#run) await this.#follow(source);
    } catch (error) {
      if (run === this.#run) this.#say(error.message, "bad");
    } finally {
      source?.stop?.();
    }
  }

  #url() {
    const url = streamUrl(this.#model);
    const threshold = Number(at("threshold").value);
    if (threshold !== this.#model.threshold) url.searchParams.set("threshold", threshold);
    return url;
  }

  /** Stream a source to its end, or until it is stopped. */
  async #follow(source) {
    this.#reset();
    this.#source = source;
    this.scope.begin(this.#model, source.channels);
    const player = (this.#player = new Player(source, {
      url: this.#url(),
      apiKey: key(),
      rate: this.#rate(),
      honourWake: at("wake").checked,
      heard: (state) => this.#heard(state),
    }));
    this.#button("Stop");
    if (Number.isFinite(source.length)) this.#compare(player, source.length);
    const over = player.play();
    this.#draw(player);
    await over;
    if (player !== this.#player) return;
    if (!Number.isFinite(source.length)) this.#compare(player, player.samples);
    this.#frame();
    this.#describe(true);
    if (player.error) this.#say(await this.#reason(player), "bad");
    else this.#say(this.#summary(player));
  }

  /** Run the same network with an update at every sample, beside the stream. */
  async #compare(player, length) {
    this.#tracks = [{ name: "network", said: player.updates }];
    const { labels, rows } = player.source;
    const truth = labels ? [{ name: "truth", said: changesOf(this.#model, labels) }] : [];
    this.#tracks.push(...truth);
    if (!at("compare").checked) this.#every = { problem: "not compared" };
    if (!at("compare").checked || !length) return;
    const every = await everySample(this.#model, rows(length).slice(0, length));
    if (player !== this.#player) return;
    this.#every = every;
    if (every.updates) this.#tracks.splice(1, 0, { name: "without skipping", said: every.updates });
    this.#frame();
  }

  /** A browser does not tell a page why a handshake was rejected: ask again in a way that answers. */
  async #reason({ error, ready }) {
    if (ready) return `The stream broke: ${error.message}`;
    try {
      await get("v1/counters"); // needs the scope of a stream
      await get(modelPath(this.#model));
      return "The server rejected the stream; it may be full.";
    } catch (said) {
      if (!(said instanceof HttpError)) return "The server does not answer.";
      return keyProblem(said) || `The server rejected the stream: ${said.message}`;
    }
  }

  #summary({ updates, samples, source }) {
    return `${counted(updates.length, "update")} on ${counted(samples, "sample")} (${percent(updates.length, samples)}).${leftOutSaid(source)}${rateSaid(source.time, this.#model.sample_rate)}`;
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

  #draw(player) {
    let [next, said] = [0, false];
    const frame = (now) => {
      if (player !== this.#player) return;
      if (this.#run) requestAnimationFrame(frame);
      if (now < next) return;
      const start = performance.now();
      this.#frame();
      next = now + DRAWING_SHARE * (performance.now() - start);
      this.#describe(false);
      if (player.running && !said && player.updates.length) {
        this.#say("Live.");
        said = true;
      }
    };
    requestAnimationFrame(frame);
  }

  #frame() {
    if (!this.#model) return;
    const player = this.#player;
    this.scope.draw(player, this.#until, this.#tracks);
    this.#showPixels();
    if (!player) return;
    this.results.show(player, this.#until, this.#every);
    this.events.show(player);
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

  /** An alarm, with what came before it and the beginning of what came after. */
  #lookAtEvent(t) {
    const until = t + Math.round(AFTER_EVENT_SECONDS * (this.#model.sample_rate ?? RATE));
    at("look").value = String(until);
    this.#lookAt(until);
    at("scope").scrollIntoView({ block: "nearest" });
  }

  #button(text) {
    at("go").textContent = text;
    at("go").classList.toggle("running", text === "Stop");
  }

  #say(text, tone = "") {
    at("status").textContent = text;
    at("status").dataset.tone = tone;
  }

  /** Say in words what the picture shows. */
  #describe(now) {
    const player = this.#player;
    if (!player || (!now && performance.now() - this.#described < SAY_AFTER_MS)) return;
    this.#described = performance.now();
    const { y } = player.updates.at(-1) ?? {};
    const answer = y ? ` The network says: ${answerOf(this.#model, y).text}.` : "";
    const { t, label } = player.events.at(-1) ?? {};
    const alarm = label ? ` The latest of ${counted(player.events.length, "event")}: ${label} at ${timeText(t, this.#model)}.` : "";
    at("scope").setAttribute("aria-label", `Signal of ${counted(this.#model.features.length, "channel")}. ${this.#summary(player)}${answer}${alarm}`);
  }

  #save() {
    const names = outputNames(this.#model, (index) => `y${index}`);
    const alarms = new Map(this.#player.events.map(({ t, label }) => [t, label]));
    const event = (t) => (this.#model.events ? [quoted(alarms.get(t) ?? "")] : []);
    const head = ["t", ...(this.#model.events ? ["event"] : []), ...names].map(quoted);
    const lines = [head, ...this.#player.updates.map(({ t, y }) => [t, ...event(t), ...y])];
    const link = element("a", { download: `${this.#model.name}-updates.csv` });
    link.href = URL.createObjectURL(new Blob([lines.map((line) => `${line.join(",")}\n`).join("")], { type: "text/csv" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // -- the digit

  #drawn() {
    this.#touched = true;
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

/** The columns of a file that are neither features nor labels. */
function leftOutSaid({ columnsLeftOut }) {
  return columnsLeftOut.length ? ` Columns left out: ${columnsLeftOut.join(", ")}.` : "";
}

function quoted(name) {
  return /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}

function optionName({ name, version }, models) {
  return models.filter((model) => model.name === name).length > 1 ? `${name}, version ${version}` : name;
}
