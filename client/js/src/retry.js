/** How a stream continues after a lost connection. */

export const RETRY_POLICY = Object.freeze({
  maxSamples: 65_536,
  maxBytes: 16_777_216,
  whenFull: "wait",
  initialBackoffMs: 250,
  maxBackoffMs: 15_000,
  retryTimeoutMs: 300_000,
});

const RENAMED_OPTIONS = { resume: "retry" };
const RENAMED_FIELDS = { firstMs: "initialBackoffMs", capMs: "maxBackoffMs", giveUpMs: "retryTimeoutMs" };

/** The policy that a stream's options ask for; null: none. Takes the names of the release before. Throws RangeError. */
export function retryPolicy(options) {
  const { retry = {} } = renamed(options, RENAMED_OPTIONS);
  if (retry === null) return null;
  const policy = { ...RETRY_POLICY, ...renamed(retry, RENAMED_FIELDS) };
  if (!["wait", "drop", "raise"].includes(policy.whenFull)) {
    throw new RangeError(`whenFull: expected 'wait', 'drop' or 'raise', got '${policy.whenFull}'`);
  }
  return policy;
}

/** A copy with the new names, and a warning for each old one. */
function renamed(given, names) {
  const copy = { ...given };
  for (const [old, name] of Object.entries(names)) {
    if (!(old in copy)) continue;
    console.warn(`skiprnn-client: ${old} is now ${name}; ${old} will be removed in the next release`);
    if (!(name in copy)) copy[name] = copy[old]; // null says something too
    delete copy[old];
  }
  return copy;
}
