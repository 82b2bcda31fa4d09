// The page's own script: mounts what a view needs, sends what a form says, and refreshes what others changed.
import { listen } from "./live.js";

const main = () => document.getElementById("main");
let unmount = [];

// An element with data-view="fleet" is brought to life by views/fleet.js; what mount returns ends it again.
async function mount() {
  for (const end of unmount.splice(0)) end();
  for (const element of main().querySelectorAll("[data-view]")) {
    const { mount: begin } = await import(`./views/${element.dataset.view}.js`);
    if (element.isConnected) unmount.push(begin(element) ?? (() => {}));
  }
}

// Forms with hx-ext="json" reach the HTTP interface as any program does: as JSON, with numbers as numbers.
window.htmx.defineExtension("json", {
  onEvent(name, event) {
    if (name === "htmx:configRequest") event.detail.headers["Content-Type"] = "application/json";
    return true;
  },
  encodeParameters(_, parameters, element) {
    const body = {};
    for (const [name, text] of parameters.entries()) {
      const field = element.elements?.namedItem(name);
      const kind = field?.dataset?.type ?? (field?.type === "number" ? "number" : "text");
      if (text === "" && kind !== "text") continue;
      if (kind === "number") body[name] = Number(text);
      else if (kind === "lines") body[name] = text.split("\n").map((line) => line.trim()).filter(Boolean);
      else if (kind === "json") body[name] = JSON.parse(text);
      else body[name] = text;
    }
    return JSON.stringify(body);
  },
});

document.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector('meta[name="csrf"]').content;
  if (token) event.detail.headers["X-CSRF-Token"] = token;
});

// What was sent changed something: everything with hx-trigger="changed from:body" shows it.
document.addEventListener("htmx:afterRequest", (event) => {
  const { successful, requestConfig, xhr } = event.detail;
  if (requestConfig.verb === "get") return;
  if (successful) {
    say(event.detail.elt.dataset.done ?? "", true);
    window.htmx.trigger(document.body, "changed");
  } else {
    say(problem(xhr));
  }
});
// An error that is a page of its own is shown as one; elsewhere what stood there stays.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target } = event.detail;
  if (xhr.status < 400 || target.id !== "main" || !xhr.getResponseHeader("Content-Type")?.startsWith("text/html")) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});
document.addEventListener("htmx:sendError", () => say("The service does not answer. Is it running? `tocsin doctor` says more."));

function problem(xhr) {
  try {
    const { error, mend } = JSON.parse(xhr.responseText);
    return mend ? `${error}: ${mend}` : error;
  } catch {
    return `The service answered ${xhr.status}`;
  }
}

// Told at the bottom of the page: what went wrong until the next word, what went well for a while.
let quiet = 0;
export function say(text, passing = false) {
  clearTimeout(quiet);
  document.getElementById("said").textContent = text;
  if (passing) quiet = setTimeout(() => say(""), 6000);
}

// It is in nobody's way for long: a click or Escape sends it away, and another page begins without it.
document.getElementById("said").addEventListener("click", () => say(""));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") say(""); });
document.addEventListener("htmx:pushedIntoHistory", () => say(""));

// Alerts that change refresh what shows them, at most once a second.
let due = 0;
function changed() {
  if (due) return;
  due = setTimeout(() => {
    due = 0;
    window.htmx.trigger(document.body, "changed");
  }, 1000);
}

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "main") mount();
});
listen("alert", changed);
mount();
