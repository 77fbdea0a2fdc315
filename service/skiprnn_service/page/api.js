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
  const headers = key() ? { Authorization: `Bearer ${key()}` } : {};
  const response = await fetch(path, { headers, cache: "no-store" });
  const body = await response.json().catch(() => ({}));
  if (response.ok || path.endsWith("ready")) return body;
  throw new HttpError(response.status, body.error ?? response.statusText);
}

/** The address of a model's streaming route. */
export function streamUrl(model) {
  const url = new URL(`v1/models/${encodeURIComponent(model.name)}/stream`, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("version", model.version);
  return url;
}
