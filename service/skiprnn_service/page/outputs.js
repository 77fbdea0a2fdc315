/** What the outputs of a model are called, what they say, and how that compares with the truth. */

/** Name and unit, as a header has them. */
export function withUnit({ name, unit }) {
  return unit ? `${name} [${unit}]` : name;
}

/** Outputs are values in raw units, not probabilities. */
export function isRegression({ task }) {
  return task.endsWith("regression");
}

/** Names of the outputs: classes, targets with their units, or what `numbered` makes of their places. */
export function outputNames({ classes, targets = [], outputs }, numbered) {
  if (classes.length) return classes;
  return targets.length ? targets.map(withUnit) : Array.from({ length: outputs }, (_, index) => numbered(index));
}

/** Indices of the classes that hold: the most probable one, or, of independent labels, those at 50 % or more. */
export function saidBy(model, y) {
  if (isRegression(model)) return [];
  return model.multi_label ? [...y.keys()].filter((index) => y[index] >= 0.5) : [y.indexOf(Math.max(...y))];
}

/** A value of a regression, four digits at most after the point. */
export function valueText(value) {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}

/** When a sample was: in seconds where the model says how many of them there are. */
export function timeText(t, { sample_rate: rate }) {
  return rate ? `${(t / rate).toFixed(2)}\u00a0s` : `sample ${t.toLocaleString("en")}`;
}

/** When the model gives an alarm. */
export function ruleText({ events: { threshold, refractory }, sample_rate: rate }) {
  const time = rate ? `${Number((refractory / rate).toPrecision(3))}\u00a0s` : `${refractory.toLocaleString("en")} samples`;
  return `An alarm is given from a probability of ${(100 * threshold).toFixed(0)}\u00a0% on, once in ${time} without the class.`;
}

/** An answer in words, and what to know of it: {text, sub}. */
export function answerOf(model, y) {
  if (isRegression(model)) return values(model, y);
  const names = outputNames(model, (index) => `class ${index}`);
  const said = saidBy(model, y);
  const sub = model.multi_label ? "labels at 50 % or more" : `${(100 * y[said[0]]).toFixed(0)}\u00a0% sure`;
  return { text: said.map((index) => names[index]).join(" + ") || "none", sub };
}

/** The first value; the others are listed beside the picture. */
function values(model, y) {
  const { targets = [] } = model;
  const text = `${valueText(y[0])}${targets[0]?.unit ? ` ${targets[0].unit}` : ""}`;
  const name = targets[0]?.name ?? (y.length > 1 ? "value 1" : "");
  return { text, sub: y.length > 1 ? `${name}, the first of ${y.length}` : name };
}

/** Labels as they are shown; a recording has several as `a;b`. */
export function labelText(model, label) {
  if (!isRegression(model) && !model.multi_label) return label;
  return label.split(";").map((part) => part.trim()).join(isRegression(model) ? " · " : " + ");
}

/** Where labels change, as what is said from sample t on: {t, y} of numbers, {t, label} of names. */
export function changesOf(model, labels) {
  const changes = labels.flatMap((label, t) => (t && label === labels[t - 1] ? [] : [{ t, label }]));
  if (!isRegression(model)) return changes.map(({ t, label }) => ({ t, label: labelText(model, label) }));
  return changes.map(({ t, label }) => ({ t, y: label && label.split(";").map(Number) }));
}

/** How far what was said up to a sample agrees with the labels of all samples; every update holds until the next. */
export class Agreement {
  #next = -1; // the update that holds
  #end = 0; // samples that were compared
  #sum = 0;
  #labelled = 0;

  constructor(model, labels) {
    this.model = model;
    this.labels = labels;
  }

  /** In words; empty where no sample has a label. `updates` grow at their end alone. */
  upTo(end, updates) {
    if (end < this.#end) [this.#next, this.#end, this.#sum, this.#labelled] = [-1, 0, 0, 0];
    for (; this.#end < end; this.#end++) {
      while (updates[this.#next + 1]?.t <= this.#end) this.#next++;
      const label = this.labels[this.#end];
      if (label && this.#next >= 0) this.#compare(updates[this.#next].y, label);
    }
    if (!this.#labelled) return "";
    const mean = this.#sum / this.#labelled;
    return isRegression(this.model) ? `off by ${valueText(mean)} on average` : `right on ${(100 * mean).toFixed(1)}\u00a0%`;
  }

  #compare(y, label) {
    const score = isRegression(this.model) ? Math.abs(y[0] - Number(label.split(";")[0])) : Number(same(this.model, y, label));
    if (Number.isNaN(score)) return;
    this.#sum += score;
    this.#labelled++;
  }
}

/** Whether an answer is the truth; of several labels, all of them and no other: `a;b`, or `none`. */
function same(model, y, label) {
  const said = saidBy(model, y).map((index) => model.classes[index] ?? String(index));
  const several = label === "none" ? [] : label.split(";").map((name) => name.trim());
  const truth = model.multi_label ? several : [label];
  return said.length === truth.length && truth.every((name) => said.includes(name));
}
