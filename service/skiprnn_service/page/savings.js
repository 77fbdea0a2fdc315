/**
 * What skipping saves, against a network that updates at every sample and a sensor that sends a message for each.
 *
 * Bytes are those of the websocket frames with samples, as they leave the sensor: 2 to 10 of header, 4 of mask, 8 of
 * index, 4 a value. Answers, TLS, TCP and the radio's own protocol are not counted.
 */

/** Multiply-accumulates of an update step's gates, as the paper counts them. */
export function updateCost({ cell, layers, hidden, features }) {
  const gates = cell === "gru" ? 3 : 4;
  let cost = hidden;
  for (let layer = 0; layer < layers; layer++) cost += gates * hidden * (hidden + (layer ? hidden : features.length));
  return cost;
}

/** Bytes of a message of some samples. */
export function frameBytes(samples, features) {
  const payload = 8 + 4 * samples * features;
  return 2 + (payload > 65535 ? 8 : payload > 125 ? 2 : 0) + 4 + payload;
}

/**
 * {compute, messages, bytes, radioJoules, computeJoules, joules}, each {used, all}: what it took, and without skipping.
 * @param {{samples: number, updates: number, messages: number, bytes: number}} counts
 * @param {{nanojoulesPerByte: number, picojoulesPerMac: number}} assumed
 */
export function savings(model, { samples, updates, messages, bytes }, { nanojoulesPerByte, picojoulesPerMac }) {
  const both = (used, all) => ({ used, all });
  const times = ({ used, all }, factor) => both(used * factor, all * factor);
  const compute = times(both(updates, samples), updateCost(model));
  const sent = both(bytes, samples * frameBytes(1, model.features.length));
  const radioJoules = times(sent, nanojoulesPerByte * 1e-9);
  const computeJoules = times(compute, picojoulesPerMac * 1e-12);
  const joules = both(radioJoules.used + computeJoules.used, radioJoules.all + computeJoules.all);
  return { compute, messages: both(messages, samples), bytes: sent, radioJoules, computeJoules, joules };
}

/** 0.00123 J → "1.23 mJ". */
export function joulesText(joules) {
  if (!joules) return "0 J";
  const power = Math.min(Math.max(Math.floor(Math.log10(joules) / 3), -4), 1);
  const prefix = { "-4": "p", "-3": "n", "-2": "µ", "-1": "m", 0: "", 1: "k" }[power];
  return `${Number((joules / 1000 ** power).toPrecision(3))} ${prefix}J`;
}
