/** What the page asks the server over HTTP, with the visitor's key where the server wants one. */

const KEY = "skiprnn.key";

/** The server's answer was no. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function key() {
  return sessionStorage.getItem(KEY);
}

export function useKey(value) {
  sessionStorage.setItem(KEY, value);
}

/** GET a path, relative to where the page is served. Throws HttpError, or TypeError where no server answers. */
export async function get(path) {
  const response = await fetch(path, { headers: credentials(), cache: "no-store" });
  if (response.ok) return response.json();
  throw await rejection(response);
}

/** Likewise, text. */
export async function getText(path) {
  const response = await fetch(path, { headers: credentials(), cache: "no-store" }).catch(() => {
    throw new Error("The server does not answer.");
  });
  if (response.ok) return response.text();
  throw await rejection(response);
}

/** POST an object as JSON; the answer is JSON. */
export async function post(path, body) {
  const headers = { ...credentials(), "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (response.ok) return response.json();
  throw await rejection(response);
}

function credentials() {
  return key() ? { Authorization: `Bearer ${key()}` } : {};
}

async function rejection(response) {
  const { error } = await response.json().catch(() => ({}));
  return new HttpError(response.status, error ?? response.statusText);
}

/** What an answer of 401 or 403 means for the visitor; empty: it is another. */
export function keyProblem({ status }, scope = "stream") {
  if (status === 401) return key() ? "The server does not know this key." : "The server requires a key.";
  return status === 403 ? `This key may not do that: it lacks the scope “${scope}”.` : "";
}

/** The path of a route of a model. */
export function modelPath({ name, version }, route = "", query = {}) {
  const parameters = new URLSearchParams({ version, ...query });
  return `v1/models/${encodeURIComponent(name)}${route}?${parameters}`;
}

/** The address of a model's streaming route. */
export function streamUrl(model) {
  const url = new URL(modelPath(model, "/stream"), document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}
