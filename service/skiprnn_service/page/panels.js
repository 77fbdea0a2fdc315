/** The page below the playground: models with their facts, counters, streams. */

import { get, HttpError } from "./api.js";
import { isRegression, outputNames, ruleText, withUnit } from "./outputs.js";
import { updateCost } from "./savings.js";

const POLL_MS = 1000;
const STREAMS_EVERY = 2; // polls

/** An element with attributes and children; text is text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** 1,234 → "1,234"; 12,345,678 → "12.3 M". */
export function short(n) {
  const [scale, letter] = n >= 1e9 ? [1e9, " G"] : n >= 1e6 ? [1e6, " M"] : n >= 1e5 ? [1e3, " k"] : [1, ""];
  const digits = scale === 1 ? 0 : n / scale < 100 ? 1 : 0;
  return (n / scale).toLocaleString("en", { maximumFractionDigits: digits }) + letter;
}

export function percent(part, whole, digits = 1) {
  return whole ? `${((100 * part) / whole).toFixed(digits)}\u00a0%` : "–";
}

/** A card a model, and one a file that is not served and why. `tried` is called with the model whose button is pressed. */
export function showModels({ models, failed }, tried) {
  const cards = models.map((model) => card(model, tried));
  const broken = failed.map(({ name, version, reason }) =>
    element("article", { class: "card failed" }, element("h3", {}, `${name} `, element("small", {}, `version ${version}`)),
      element("p", {}, "Not served: ", reason)));
  document.getElementById("model-cards").replaceChildren(...cards, ...broken);
}

function card(model, tried) {
  const button = element("button", { type: "button", class: "quiet", "aria-label": `Try ${model.name}` }, "Try it");
  button.addEventListener("click", () => tried(model));
  const title = element("h3", {}, `${model.name} `, element("small", {}, `version ${model.version}`));
  const list = facts(model).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  return element("article", { class: "card" }, element("header", {}, title, button), element("dl", {}, ...list));
}

function facts(model) {
  const names = model.features.map(withUnit);
  const said = [
    ["Network", `${model.layers} × ${model.hidden} ${model.cell.toUpperCase()}`],
    ["Task", model.task.replaceAll("_", " ")],
    ["Input", `${listed(names)}${model.sample_rate ? ` at ${model.sample_rate} Hz` : ""}`],
    ["Output", outputsOf(model)],
    ["Gate", `${model.gate ? `${model.gate}; ` : ""}threshold ${model.threshold}, at most ${model.max_skip.toLocaleString("en")} skips`],
    ...(model.events ? [["Events", `all but ${model.events.background}. ${ruleText(model)}`]] : []),
    ["Update", `${short(updateCost(model))} multiply-accumulates`],
  ];
  const { metric, update_rate: rate } = model.training;
  if (metric) said.push(["Test", `${metric.replaceAll("_", " ")} ${rounded(model.training[metric])}, update rate ${percent(rate, 1)}`]);
  return [...said, ["Digest", `${model.sha256.slice(0, 12)}…`]];
}

function outputsOf(model) {
  if (!model.classes.length && !model.targets?.length) {
    const noun = isRegression(model) ? "value" : "probability";
    return model.outputs === 1 ? `1 ${noun}` : `${model.outputs} ${noun === "value" ? "values" : "probabilities"}`;
  }
  return listed(outputNames(model)) + (model.multi_label ? "; any number of them at once" : "");
}

function listed(names) {
  return names.length > 8 ? `${names.slice(0, 7).join(", ")}, … (${names.length})` : names.join(", ");
}

function rounded(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(3))) : String(value);
}

/** Poll the counters while the page is looked at. `told(state, error)`: "up", "draining", "down" or "denied". */
export async function watchServer(told) {
  let last = null;
  for (let poll = 0; ; poll++) {
    if (!document.hidden) {
      last = await look(last, told);
      if (poll % STREAMS_EVERY === 0 && last) await showStreams();
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function look(last, told) {
  try {
    const now = { ...(await get("v1/counters")), at: performance.now() };
    told(now.draining ? "draining" : "up");
    showCounters(now, last);
    return now;
  } catch (error) {
    const denied = error instanceof HttpError && [401, 403].includes(error.status);
    told(denied ? "denied" : "down", error);
    return null;
  }
}

function showCounters(now, last) {
  const total = (name, counts = now) => counts.models.reduce((sum, model) => sum + model[name], 0);
  const rate = (name) => last && Math.max(0, ((total(name) - total(name, last)) * 1000) / (now.at - last.at));
  const perSecond = (name) => (last ? `${short(Math.round(rate(name)))} a second` : "");
  const [samples, updates] = [total("samples"), total("updates")];
  put("counters", [
    ["Live streams", short(total("live")), now.parked === null ? "" : `${short(now.parked)} parked`],
    ["Samples", short(samples), perSecond("samples")],
    ["Updates", short(updates), perSecond("updates")],
    ["Skipped", percent(samples - updates, samples), "of all samples"],
    ["Messages", short(total("messages")), perSecond("messages")],
    ["Resumed", short(now.resumed), now.expired ? `${short(now.expired)} expired` : "streams"],
  ]);
}

function put(id, entries) {
  const list = document.getElementById(id);
  if (list.children.length !== entries.length) {
    list.replaceChildren(...entries.map(([name]) =>
      element("div", {}, element("dt", {}, name), element("dd"), element("dd", { class: "sub" }))));
  }
  entries.forEach(([, value, sub], index) => {
    const [, strong, small] = list.children[index].children;
    if (strong.textContent !== value) strong.textContent = value;
    if (small.textContent !== sub) small.textContent = sub;
  });
}

async function showStreams() {
  const section = document.getElementById("streams");
  try {
    const { streams, live, parked } = await get("v1/streams");
    section.hidden = false;
    section.querySelector(".scroll").hidden = !streams.length;
    const shown = streams.length < live + (parked ?? 0) ? `; the first ${streams.length} are listed` : "";
    document.getElementById("streams-hint").textContent =
      `${live.toLocaleString("en")} live, ${(parked ?? 0).toLocaleString("en")} parked${shown}.`;
    document.getElementById("stream-rows").replaceChildren(...streams.map(row));
  } catch {
    section.hidden = true; // not for this visitor, or the server is away
  }
}

function row(stream) {
  const number = (value) => element("td", { class: "number" }, value.toLocaleString("en"));
  const state = element("td", {}, element("span", { class: `state ${stream.state}` }, stream.state));
  return element("tr", {}, element("th", { scope: "row" }, stream.owner ? `${stream.owner}/${stream.id}` : stream.id), element("td", {}, `${stream.model}/${stream.version}`), state,
    number(stream.samples), element("td", { class: "number" }, `${stream.updates.toLocaleString("en")} (${percent(stream.updates, stream.samples, 0)})`),
    number(stream.next), number(stream.wake));
}
