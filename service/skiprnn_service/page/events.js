/** The alarms of a stream, in words: a list with time, class and probability, and how much of the time the network slept. */

import { ruleText, timeText } from "./outputs.js";
import { element, percent } from "./panels.js";

const at = (id) => document.getElementById(id);

export class Events {
  #model = null;
  #listed = 0; // of the player's events
  #look;
  #tint;

  /** `look(t)` shows the picture around a sample; `tint(index)` are the colours of a class. */
  constructor(look, tint) {
    this.#look = look;
    this.#tint = tint;
  }

  /** Of another model, or of another stream of it. */
  clear(model) {
    this.#model = model;
    this.#listed = 0;
    at("events").hidden = at("legend-event").hidden = !model.events;
    at("event-list").replaceChildren();
    at("asleep").textContent = "–";
    at("events-hint").textContent = model.events ? ruleText(model) : "";
  }

  /** The theme changed. */
  recolor() {
    for (const item of at("event-list").children) item.style.setProperty("--tint", this.#tint(Number(item.dataset.class)).bar);
  }

  /** What is new comes first in the list; the rest of it stays as it is. */
  show({ events, updates, samples, head }) {
    if (!this.#model?.events) return;
    const skipped = samples - updates.filter(({ t }) => t < head).length;
    at("asleep").textContent = percent(skipped, samples);
    for (; this.#listed < events.length; this.#listed++) at("event-list").prepend(this.#item(events[this.#listed]));
  }

  #item({ t, label, score }) {
    const index = this.#model.classes.indexOf(label);
    const when = timeText(t, this.#model);
    const button = element("button", { type: "button", class: "quiet" }, element("b", {}, label), ` at ${when}`,
      element("small", {}, percent(score, 1, 0)));
    button.addEventListener("click", () => this.#look(t));
    const item = element("li", { "data-class": String(index) }, button);
    item.style.setProperty("--tint", this.#tint(index).bar);
    return item;
  }
}
