/** The page: models, playground, counters. */

import { get, HttpError, key, keyProblem, useKey } from "./api.js";
import { Playground } from "./playground.js";
import { showModels, watchServer } from "./panels.js";
import { bindTheme } from "./theme.js";

const HEALTH = { up: "up", down: "no answer", draining: "about to stop", denied: "key needed" };
const RETRY_MS = 2000;

const at = (id) => document.getElementById(id);
const playground = new Playground();

bindTheme(at("theme"), () => playground.recolor());
foldOptions();
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(at("key").value);
  location.reload();
});

let wasUp = true;
let isUp;
const up = new Promise((resolve) => (isUp = resolve));
watchServer((state, error) => {
  at("health").textContent = state === "denied" && key() ? "key rejected" : HEALTH[state];
  at("health").dataset.state = state;
  at("key-form").hidden = state !== "denied";
  if (state === "denied" && key()) say(at("key-said"), keyProblem(error));
  if (state === "up" && !wasUp) load(); // another server may serve other models
  if (state === "up") isUp();
  wasUp = state === "up";
});
await load();
document.body.dataset.autoplay = "waiting"; // tests are told whether the page has decided
await up; // asked only while the page is looked at
await seen();
const plays = !matchMedia("(prefers-reduced-motion: reduce)").matches;
if (plays) playground.playByItself();
document.body.dataset.autoplay = plays ? "on" : "off";

/** Choices that are seldom made are folded where the window is narrow: the picture comes first. */
function foldOptions() {
  const wide = matchMedia("(min-width: 901px)");
  const fold = () => (at("options").open = wide.matches);
  wide.addEventListener("change", fold);
  fold();
}

async function load() {
  for (;;) {
    try {
      const said = await get("v1/models");
      showModels(said, (model) => playground.choose(model));
      playground.offer(said.models);
      return;
    } catch (error) {
      if (error instanceof HttpError) {
        at("status").textContent = `The models are not shown: ${keyProblem(error) || error.message}`;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Once the page is looked at. */
async function seen() {
  while (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

/** Readers of the screen say a text again whenever it is set. */
function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
