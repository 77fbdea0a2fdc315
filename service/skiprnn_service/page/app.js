/** The page: models, playground, counters. */

import { get, HttpError, useKey } from "./api.js";
import { Playground } from "./playground.js";
import { showModels, watchServer } from "./panels.js";
import { bindTheme } from "./theme.js";

const HEALTH = { up: "up", down: "no answer", draining: "about to stop", denied: "key needed" };
const RETRY_MS = 2000;

const at = (id) => document.getElementById(id);
const playground = new Playground();

bindTheme(at("theme"), () => playground.recolor());
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(at("key").value);
  location.reload();
});

let wasUp = true;
watchServer((state) => {
  at("health").textContent = HEALTH[state];
  at("health").dataset.state = state;
  at("key-form").hidden = state !== "denied";
  if (state === "up" && !wasUp) load(); // another server may serve other models
  wasUp = state === "up";
});
await load();

async function load() {
  for (;;) {
    try {
      const said = await get("v1/models");
      showModels(said, (model) => playground.choose(model));
      playground.offer(said.models);
      return;
    } catch (error) {
      if (error instanceof HttpError) {
        at("status").textContent = `The models are not shown: ${error.message}`;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
