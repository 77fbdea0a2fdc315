/** The same network with an update at every sample: what skipping is compared with. */

import { HttpError, keyProblem, modelPath, post } from "./api.js";

const MOST_SAMPLES = 20_000; // that are sent for it

/**
 * Run a model over samples, updating at each. Gives {updates: [{t, y}]}, or {problem} in words where that cannot be.
 * @param {number[][]} rows
 */
export async function everySample(model, rows) {
  if (rows.length > MOST_SAMPLES) return { problem: `not compared: over ${MOST_SAMPLES.toLocaleString("en")} samples` };
  try {
    const { scores } = await post(modelPath(model, "/score", { gate: "every_sample" }), { sequences: [rows] });
    return { updates: scores[0].updates };
  } catch (error) {
    if (!(error instanceof HttpError)) return { problem: "not compared: the server does not answer" };
    return { problem: `not compared: ${keyProblem(error, "score") || error.message}` };
  }
}
