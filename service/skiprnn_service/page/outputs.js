/** What the outputs of a model are called, what they say, and how that compares with the truth. */

const MOST_VALUES = 3; // of a regression, in one line

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

/** An answer in words, and what to know of it: {text, sub}. */
export function answerOf(model, y) {
  if (isRegression(model)) return values(model, y);
  const names = outputNames(model, (index) => `class ${index}`);
  const said = saidBy(model, y);
  const sub = model.multi_label ? "labels at 50 % or more" : `${(100 * y[said[0]]).toFixed(0)}\u00a0% sure`;
  return { text: said.map((index) => names[index]).join(" + ") || "none", sub };
}

function values(model, y) {
  const { targets = [] } = model;
  const texts = Array.from(y, (value, index) => `${valueText(value)}${targets[index]?.unit ? ` ${targets[index].unit}` : ""}`);
  const names = outputNames(model, (index) => (y.length > 1 ? `value ${index + 1}` : "")).slice(0, MOST_VALUES);
  return { text: texts.slice(0, MOST_VALUES).join(" · ") + (y.length > MOST_VALUES ? " …" : ""), sub: names.join(" · ") };
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
