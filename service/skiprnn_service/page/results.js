/** What the page says of a stream beside its picture: answers and the truth, outputs, what was saved. */

import { Agreement, answerOf, isRegression, labelText, outputNames, saidBy, valueText } from "./outputs.js";
import { element, percent, short } from "./panels.js";
import { joulesText, savings } from "./savings.js";
import { counted } from "./sources.js";

const ASSUMED = "skiprnn.assumed"; // in the session: what the visitor entered

const at = (id) => document.getElementById(id);

export class Results {
  #model = null;
  #tint = () => "";
  #agreements = null;
  #shown = null; // the latest arguments of `show`

  /** `tint(index)` is the colour of an output's bar. */
  constructor(tint) {
    this.#tint = tint;
    for (const input of document.querySelectorAll("#assumed input")) {
      input.value = sessionStorage.getItem(`${ASSUMED}.${input.id}`) ?? input.value;
      input.addEventListener("input", () => this.#assume(input));
    }
  }

  /** Of another model, or of another stream of it: nothing is known yet. */
  clear(model) {
    this.#model = model;
    this.#agreements = this.#shown = null;
    const bar = () => (isRegression(model) ? [] : [element("span", { class: "bar", "aria-hidden": "true" }, element("i"))]);
    const names = outputNames(model, (index) => unnamed(model, index));
    at("classes").replaceChildren(...names.map((name) => element("li", {}, element("span", { title: name }, name), ...bar(), element("output", {}, "–"))));
    at("classes").classList.toggle("values", isRegression(model));
    this.recolor();
    for (const id of ["said", "every", "truth", "saved"]) this.#tell(id, "–", "");
    for (const tile of document.querySelectorAll("#tiles > div")) {
      tile.children[1].textContent = "–";
      tile.children[2].textContent = "";
    }
    at("share").querySelector("i").style.width = "0";
    at("share").setAttribute("aria-label", "Nothing yet");
    this.#big("?", "no answer yet");
  }

  /** The theme changed. */
  recolor() {
    [...at("classes").children].forEach((item, index) => item.style.setProperty("--tint", this.#tint(index)));
  }

  /**
   * Show a stream up to a sample.
   * @param {Player} player
   * @param {number|null} until null: the latest
   * @param {{updates: ?object[], problem: ?string}} every the same network, updated at every sample
   */
  show(player, until, every) {
    this.#shown = [player, until, every];
    const end = Math.min(until ?? player.samples, player.samples);
    this.#showAnswers(player, end, every);
    this.#showSavings(player);
  }

  #showAnswers({ source, updates }, end, every) {
    const { y } = updates.findLast(({ t }) => t < end) ?? {};
    const agreed = this.#agreement(source, end, { said: updates, every: every.updates ?? [] });
    if (y) {
      const { text, sub } = answerOf(this.#model, y);
      this.#tell("said", text, [sub, agreed.said].filter(Boolean).join(", "));
      this.#showOutputs(y);
      if (isRegression(this.#model)) this.#big(valueText(y[0]), outputNames(this.#model, () => "")[0]);
      else this.#big(text, sub);
    }
    const full = every.updates?.[end - 1];
    if (every.problem) this.#tell("every", "–", every.problem);
    else if (full) {
      const { text, sub } = answerOf(this.#model, full.y);
      this.#tell("every", text, [sub, agreed.every].filter(Boolean).join(", "));
    }
    this.#showTruth(source, end);
  }

  /** How far both agree with the labels so far. */
  #agreement({ labels }, end, said) {
    if (!labels) return {};
    this.#agreements ??= { said: new Agreement(this.#model, labels), every: new Agreement(this.#model, labels) };
    return Object.fromEntries(Object.entries(said).map(([name, updates]) => [name, updates.length ? this.#agreements[name].upTo(end, updates) : ""]));
  }

  #showTruth({ labels, answer, whence }, end) {
    if (answer !== undefined) this.#tell("truth", typeof answer === "number" ? valueText(answer) : answer, whence);
    else if (labels) this.#tell("truth", labelText(this.#model, labels[end - 1] ?? "") || "–", labels[end - 1] ? "the label of this sample" : "this sample has no label");
    else this.#tell("truth", "–", "not known: nothing here has a label");
  }

  #showOutputs(y) {
    const holding = saidBy(this.#model, y);
    [...at("classes").children].forEach((item, index) => {
      item.classList.toggle("best", holding.includes(index));
      item.lastChild.textContent = isRegression(this.#model) ? valueText(y[index]) : y[index].toFixed(2);
      item.style.setProperty("--level", y[index].toFixed(4));
    });
  }

  #showSavings({ samples, updates, sent, messages, bytes, latency, head }) {
    const read = updates.filter(({ t }) => t < head).length;
    const counts = { samples, updates: read, messages: Math.min(messages, samples), bytes };
    const { compute, messages: told, bytes: radio, joules, radioJoules, computeJoules } = savings(this.#model, counts, assumed());
    const part = ({ used, all }) => percent(Math.max(all - used, 0), all);
    at("share").querySelector("i").style.width = `${samples ? (100 * read) / samples : 0}%`;
    at("share").setAttribute("aria-label", `${read} updates on ${samples} samples`);
    const tiles = {
      read: [percent(read, samples), `${read.toLocaleString("en")} of ${counted(samples, "sample")}; ${percent(Math.min(sent, samples), samples)} sent`],
      saved: [part(compute), `${short(compute.used)} of ${short(compute.all)} multiply-accumulates`],
      messages: [part(told), `${told.used.toLocaleString("en")} in place of ${told.all.toLocaleString("en")}`],
      bytes: [part(radio), `${short(radio.used)} B in place of ${short(radio.all)} B`],
      energy: [part(joules), `${joulesText(joules.used)} in place of ${joulesText(joules.all)}: radio ${joulesText(radioJoules.used)}, compute ${joulesText(computeJoules.used)}`],
      latency: latency ? [`${latency.median.toFixed(1)} ms`, `median; 99 % under ${latency.p99.toFixed(1)} ms`] : ["–", ""],
    };
    if (samples) this.#tell("saved", part(compute), `of compute, ${part(told)} of messages, ${part(joules)} of energy`);
    for (const [name, [value, sub]] of Object.entries(tiles)) {
      at(`tile-${name}`).textContent = value;
      at(`tile-${name}-sub`).textContent = sub;
    }
  }

  #assume(input) {
    sessionStorage.setItem(`${ASSUMED}.${input.id}`, input.value);
    if (this.#shown) this.show(...this.#shown);
  }

  #tell(id, text, sub) {
    at(id).textContent = at(id).title = text;
    at(`${id}-sub`).textContent = sub;
  }

  #big(name, how) {
    const [big, small] = at("answer").children;
    big.textContent = name;
    small.textContent = how;
  }
}

/** What an output is called that has no name. */
function unnamed(model, index) {
  if (!isRegression(model)) return `class ${index}`;
  return model.outputs > 1 ? `value ${index + 1}` : "value";
}

/** What a byte and a multiply-accumulate are taken to cost. */
function assumed() {
  const number = (id) => Math.max(Number(at(id).value) || 0, 0);
  return { nanojoulesPerByte: number("joules-byte"), picojoulesPerMac: number("joules-mac") };
}
