/**
 * The sample rate that a time column states, beside that of the model: samples are sent as they stand. The rule is that of
 * scoring; `skiprnn_service/scoring/formats/rate.py` writes it down.
 */

import { featureOf, parseNumber } from "./channels.js";

const NAMES = /^(.*_)?(time|timestamp|datetime|date|seconds|millis|ms|ts|t|time_?(s|ms|us|ns))$/;
const NEAR = 0.1; // rates that differ by less are taken as one
const UNITS = [1, 1e-3, 1e-6, 1e-9];
const NAMED = /(?:^|[\W_])(?:(s|sec|secs|seconds?)|(ms|msec|millis|milliseconds?)|([uµμ]s|usec|micros|microseconds?)|(ns|nsec|nanos|nanoseconds?))[\W_]*$/i;
const [EARLIEST, LATEST] = [6.3e8, 4.1e9]; // seconds, in 1990 and 2100

/** Whether a column is named as a time. */
export function isTime(name) {
  return NAMES.test(featureOf(name).name.toLowerCase().replace(/[\s.-]+/g, "_"));
}

/**
 * What to say of a file's time column whose rate is not the model's; empty: nothing.
 * @param {{name: string, values: string[]} | null} time as it stands in the file
 */
export function rateSaid(time, sampleRate) {
  if (!time || !sampleRate) return "";
  const rate = rateOf(time.values.map(timeOf), time.name, sampleRate);
  if (rate === null || Math.abs(rate - sampleRate) <= NEAR * sampleRate) return "";
  return ` The column “${time.name}” says ${short(rate)} Hz, the model takes ${short(sampleRate)} Hz: resample first, since samples are sent as they stand.`;
}

/** A number, or seconds since 1970; null: neither. */
function timeOf(text) {
  const number = parseNumber(text.replace(/^([+-]?\d+),(\d+)$/, "$1.$2"));
  const date = number === null ? Date.parse(text) : NaN;
  return number ?? (Number.isNaN(date) ? null : date / 1000);
}

/** Hz; null: the times do not tell, as they are too few, are shuffled, or count samples. */
function rateOf(values, name, sampleRate) {
  const times = values.filter((time) => time !== null);
  const steps = times.slice(1).map((time, index) => time - times[index]);
  const growing = steps.filter((step) => step > 0).sort((a, b) => a - b);
  if (growing.length < Math.max(2, 0.9 * steps.length)) return null;
  const step = growing[Math.floor(growing.length / 2)];
  const unit = unitOf(times, name);
  if (unit !== null) return 1 / (step * unit);
  if (growing[0] === 1 && growing.at(-1) === 1) return null;
  const off = (rate) => Math.abs(Math.log(rate / sampleRate));
  return UNITS.map((unit) => 1 / (step * unit)).sort((a, b) => off(a) - off(b))[0];
}

/** Seconds of a unit: by the size of dates, by the column's name, seconds where there are fractions; null: unknown. */
function unitOf(times, name) {
  const dated = UNITS.find((unit) => times.every((time) => time * unit >= EARLIEST && time * unit <= LATEST));
  const named = NAMED.exec(name.trim());
  if (dated || named) return dated ?? UNITS[named.slice(1).findIndex(Boolean)];
  return times.some((time) => !Number.isInteger(time)) ? 1 : null;
}

function short(rate) {
  return String(Number(rate.toPrecision(3)));
}
