// One stream of Server-Sent Events for everything on the page: what is watched is said in its address.
const handlers = new Map();
const watched = new Map();
let source = null;
let address = "";
let due = 0;

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
  for (const series of [...watched.keys()].sort()) query.append("series", series);
  const wanted = topics.length ? `/api/v1/live?${query}` : "";
  if (wanted === address) return;
  address = wanted;
  source?.close();
  source = null;
  if (!wanted) return;
  source = new EventSource(wanted);
  source.onopen = () => told("live");
  source.onerror = () => told("connection lost: trying again");
  for (const topic of topics) {
    source.addEventListener(topic, (event) => {
      const data = JSON.parse(event.data);
      for (const handle of handlers.get(topic) ?? []) handle(data);
    });
  }
}

function told(text) {
  document.getElementById("connection").textContent = text;
}
