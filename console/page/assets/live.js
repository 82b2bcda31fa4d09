// One stream of Server-Sent Events for everything on the page: what is watched is said in its address.
const handlers = new Map();
const watched = new Map();
let source = null;
let address = "";
let due = 0;
let resting = false;
let broken = false;
let refused = 0;
// The service takes no more for one connection.
const MOST_SERIES = 200;
// A refusal (too many requests, too many streams) is asked again about: soon at first, then twice a minute.
const AGAIN_MS = 3000;
const SELDOM_MS = 30000;
const REST_MS = 20000;

// Call back with the data of every message of this name; returns a function that ends it.
export function listen(name, handle) {
  if (!handlers.has(name)) handlers.set(name, new Set());
  handlers.get(name).add(handle);
  again();
  return () => {
    handlers.get(name).delete(handle);
    again();
  };
}

// Have the readings of a series ("asset/channel") sent; returns a function that ends it.
export function watch(series) {
  watched.set(series, (watched.get(series) ?? 0) + 1);
  again();
  return () => {
    const rest = watched.get(series) - 1;
    if (rest) watched.set(series, rest);
    else watched.delete(series);
    again();
  };
}

// Connect anew when something else is wanted; several wishes of one moment become one connection.
function again() {
  clearTimeout(due);
  due = setTimeout(connect, 20);
}

function connect() {
  const topics = [...handlers].filter(([, all]) => all.size).map(([name]) => name).sort();
  const query = new URLSearchParams();
  for (const topic of topics) query.append("topic", topic);
  for (const series of [...watched.keys()].sort().slice(0, MOST_SERIES)) query.append("series", series);
  const wanted = topics.length && !resting ? `/api/v1/live?${query}` : "";
  if (wanted === address) return;
  address = wanted;
  source?.close();
  source = null;
  if (!wanted) return;
  source = new EventSource(wanted);
  source.onopen = () => {
    told("live");
    refused = 0;
    if (!broken) return;
    broken = false;
    // What was missed meanwhile is loaded anew by whoever shows it.
    document.dispatchEvent(new Event("reconnected"));
    window.htmx.trigger(document.body, "changed");
  };
  source.onerror = () => {
    told("connection lost: trying again");
    broken = true;
    const here = source;
    // A browser tries again by itself only where the connection broke, not where it was refused.
    if (source?.readyState !== EventSource.CLOSED) return;
    address = "";
    clearTimeout(due);
    due = setTimeout(connect, Math.min(AGAIN_MS * 2 ** refused++, SELDOM_MS) * (0.75 + Math.random() / 2));
    signedIn().then((yes) => { if (!yes && source === here) told("signed out: reload the page to sign in"); });
  };
  for (const topic of topics) {
    source.addEventListener(topic, (event) => {
      const data = JSON.parse(event.data);
      for (const handle of handlers.get(topic) ?? []) handle(data);
    });
  }
}

// Why a stream was refused is not told to scripts: another request is.
async function signedIn() {
  const answer = await fetch("/api/v1/fleet?limit=1").catch(() => null);
  return answer?.status !== 401;
}

// A browser has six connections for all its tabs: those that nobody looks at give theirs back.
let unseen = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  unseen = document.hidden ? setTimeout(() => { resting = broken = true; connect(); }, REST_MS) : 0;
  if (!document.hidden && resting) {
    resting = false;
    connect();
  }
});

let state = "\u00a0";
function told(text = state) {
  state = text;
  const place = document.getElementById("connection");
  if (place.textContent !== state) place.textContent = state;
}
// Another view brings another heading with it.
document.addEventListener("htmx:afterSettle", () => told());
