/** Dark or light: what the system says, until the visitor says otherwise. Loaded first, so that nothing flashes. */

const KEY = "skiprnn.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** "dark" or "light". */
export function theme() {
  return stored() ?? (system.matches ? "dark" : "light");
}

/** Make a button switch the theme; `changed` is called after every change. */
export function bindTheme(button, changed) {
  const apply = () => {
    document.documentElement.dataset.theme = theme();
    button.setAttribute("aria-pressed", String(theme() === "dark"));
    changed();
  };
  button.addEventListener("click", () => {
    store(theme() === "dark" ? "light" : "dark");
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is switched off
  }
}

function store(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    document.documentElement.dataset.theme = value; // for this page only
  }
}

document.documentElement.dataset.theme = theme();
