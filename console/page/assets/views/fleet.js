// The table of all series: filtered and sorted here, and only the rows that are in sight are elements.
import { listen } from "../live.js";

const ROW = 34;
const SPARE = 6;
const TRAIL = 60;
// Rows that rest so long are looked at; and how long is waited for each request that was made.
const REST_MS = 400;
const PAUSE_MS = 100;
const SLOW_MS = 5000;
const STATES = ["ok", "silenced", "info", "drift", "data", "gap", "warning", "critical"];
const FIRST = { name: 1, state: -1, value: -1, time: -1, per_min: -1, alerts: -1, drift: -1 };
const figures = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
const whole = new Intl.NumberFormat("en");

// Every series by its number; columns as the interface sends them.
class Store {
  constructor() {
    this.clear();
  }

  clear() {
    Object.assign(this, {
      epoch: "", version: 0, asset: [], channel: [], name: [], find: [], state: [], alerts: [], severity: [], drift: [],
      data: [], time: [], value: [], arrived: [], per_min: [], rejected: [], trail: new Map(), recalled: new Set(),
    });
  }

  // Returns whether there is a new series, or one in another state.
  facts(columns) {
    columns.number.forEach((number, at) => {
      this.asset[number] = columns.asset[at];
      this.channel[number] = columns.channel[at];
      this.name[number] = `${columns.asset[at]}/${columns.channel[at]}`;
      this.find[number] = this.name[number].toLowerCase();
      this.state[number] = STATES.indexOf(columns.state[at]);
      this.time[number] ??= null;
      for (const key of ["alerts", "severity", "drift", "data"]) this[key][number] = columns[key][at];
    });
    return columns.number.length > 0;
  }

  moved(columns) {
    columns.number.forEach((number, at) => {
      if (columns.time[at] !== null && columns.time[at] !== this.time[number]) this.grow(number, columns.value[at], columns.time[at]);
      for (const key of ["time", "value", "arrived", "per_min", "rejected"]) this[key][number] = columns[key][at];
    });
  }

  // The last values, for the small curve: what came since the page was opened.
  grow(number, value, time) {
    let trail = this.trail.get(number);
    if (!trail) this.trail.set(number, (trail = { values: new Float32Array(TRAIL), count: 0, first: time }));
    trail.values[trail.count++ % TRAIL] = value;
  }

  // And what was before.
  before(number, { t, v }) {
    const { values, count, first } = this.trail.get(number);
    if (count >= TRAIL) return;
    const all = [...v.filter((value, at) => value !== null && t[at] < first), ...values.subarray(0, count)].slice(-TRAIL);
    this.trail.set(number, { values: Object.assign(new Float32Array(TRAIL), all), count: all.length, first });
  }
}

export function age(ms, now) {
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export function mount(root) {
  const one = (selector) => root.querySelector(selector);
  const grid = one("[role=grid]"), body = one("[data-body]"), form = one("[data-filter]");
  const store = new Store();
  const said = new URLSearchParams(location.search);
  const asked = {
    text: said.get("text") ?? "", group: said.get("group") ?? "",
    states: new Set((said.get("state") ?? "").split(",").filter((word) => STATES.includes(word))),
    sort: said.get("sort") in FIRST ? said.get("sort") : "state", way: Number(said.get("way")) === 1 ? 1 : -1,
  };
  if (!said.has("sort")) asked.way = FIRST[asked.sort];
  // What the table shows, in order: the number of a series, or -1 - n for the heading of the n-th group.
  let items = [], groups = [], active = 0, waiting = [], loading = null, ended = false, due = 0, resort = 0;
  const rows = [];

  // ---------------------------------------------------------------- what is shown, in which order

  function arrange() {
    const text = asked.text.trim().toLowerCase(), codes = new Set([...asked.states].map((word) => STATES.indexOf(word)));
    const found = [];
    for (let number = 0; number < store.name.length; number++) {
      if (store.name[number] === undefined) continue;
      if (codes.size && !codes.has(store.state[number])) continue;
      if (text && !store.find[number].includes(text)) continue;
      found.push(number);
    }
    const key = asked.sort, way = asked.way, column = store[key], names = store.find;
    const named = (a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : 0);
    const order = {
      name: (a, b) => way * named(a, b),
      drift: (a, b) => way * (trouble(a).localeCompare(trouble(b))) || named(a, b),
    }[key] ?? ((a, b) => way * ((column[a] ?? -Infinity) - (column[b] ?? -Infinity) || 0) || named(a, b));
    found.sort(order);
    groups = [];
    items = asked.group ? grouped(found) : found;
    active = Math.min(active, Math.max(0, items.length - 1));
    grid.setAttribute("aria-rowcount", items.length + 1);
    body.style.height = `${items.length * ROW}px`;
    const count = found.length, all = store.name.length;
    one("[data-shown]").textContent = count === all ? `${whole.format(all)} series` : `${whole.format(count)} of ${whole.format(all)} series`;
    const wall = new URLSearchParams();
    for (const number of found.slice(0, 50)) wall.append("series", store.name[number]);
    one("[data-wall]").href = `/wall?${wall}`;
    show();
  }

  function grouped(found) {
    const of = new Map();
    for (const number of found) {
      const name = store.asset[number];
      if (!of.has(name)) of.set(name, { name, state: 0, alerts: 0, series: [] });
      const group = of.get(name);
      group.series.push(number);
      group.state = Math.max(group.state, store.state[number]);
      group.alerts = Math.max(group.alerts, store.alerts[number]);
    }
    groups = [...of.values()];
    // In the order of their first series but for names, which come as names do.
    if (asked.sort === "name") groups.sort((a, b) => asked.way * (a.name < b.name ? -1 : 1));
    return groups.flatMap((group, at) => [-1 - at, ...group.series]);
  }

  const trouble = (number) => [store.drift[number] && `drift: ${store.drift[number]}`, store.data[number]].filter(Boolean).join(", ");

  // ---------------------------------------------------------------- the rows in sight

  function cell(row, name, role = "gridcell") {
    const found = row.appendChild(document.createElement("div"));
    found.className = `c-${name}`;
    found.setAttribute("role", role);
    return found;
  }

  function made() {
    const row = document.createElement("div");
    row.className = "grid-row";
    row.setAttribute("role", "row");
    const state = cell(row, "state");
    const dot = state.appendChild(document.createElement("i"));
    dot.className = "dot";
    dot.setAttribute("aria-hidden", "true");
    const word = state.appendChild(document.createElement("span"));
    const link = cell(row, "name").appendChild(document.createElement("a"));
    link.tabIndex = -1;
    const canvas = cell(row, "trend").appendChild(document.createElement("canvas"));
    canvas.setAttribute("aria-hidden", "true");
    const value = cell(row, "value"), time = cell(row, "time"), per_min = cell(row, "per_min");
    const alerts = cell(row, "alerts"), drift = cell(row, "drift");
    row.addEventListener("mousedown", () => point(row.at));
    return Object.assign(row, { at: -1, parts: { word, link, canvas, value, time, per_min, alerts, drift }, drawn: "" });
  }

  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  function fill(row, at, now) {
    const number = items[at], parts = row.parts;
    if (row.at !== at) {
      row.at = at;
      row.id = `fleet-row-${at}`;
      row.style.transform = `translateY(${at * ROW}px)`;
      row.setAttribute("aria-rowindex", at + 2);
    }
    row.classList.toggle("active", at === active);
    row.classList.toggle("group", number < 0);
    row.classList.toggle("odd", at % 2 === 1);
    if (number < 0) {
      const group = groups[-1 - number];
      row.dataset.state = STATES[group.state];
      put(parts.word, STATES[group.state]);
      put(parts.link, group.name);
      parts.link.removeAttribute("href");
      put(parts.value, `${group.series.length} series`);
      put(parts.time, ""); put(parts.per_min, ""); put(parts.drift, "");
      put(parts.alerts, group.alerts ? String(group.alerts) : "");
      spark(row, null);
      return;
    }
    const state = STATES[store.state[number]], value = store.value[number], time = store.time[number];
    row.dataset.state = state;
    put(parts.word, state);
    put(parts.link, asked.group ? store.channel[number] : store.name[number]);
    row.classList.toggle("member", asked.group !== "");
    const href = `/series/${encodeURIComponent(store.asset[number])}/${encodeURIComponent(store.channel[number])}`;
    if (parts.link.getAttribute("href") !== href) parts.link.setAttribute("href", href);
    put(parts.value, value === null || value === undefined ? "–" : figures.format(value));
    put(parts.time, time === null || time === undefined ? "–" : age(time, now));
    put(parts.per_min, store.per_min[number] ? whole.format(store.per_min[number]) : "–");
    put(parts.alerts, store.alerts[number] ? String(store.alerts[number]) : "");
    put(parts.drift, trouble(number));
    spark(row, number);
  }

  function spark(row, number) {
    const trail = number === null ? undefined : store.trail.get(number), canvas = row.parts.canvas;
    const key = `${number} ${trail?.count ?? 0}`;
    if (row.drawn === key) return;
    row.drawn = key;
    const scale = window.devicePixelRatio || 1, width = 96, height = 22;
    if (canvas.width !== width * scale) Object.assign(canvas, { width: width * scale, height: height * scale });
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!trail || trail.count < 2) return;
    const many = Math.min(trail.count, TRAIL), from = trail.count - many;
    let low = Infinity, high = -Infinity;
    for (let at = 0; at < many; at++) {
      low = Math.min(low, trail.values[at]);
      high = Math.max(high, trail.values[at]);
    }
    const span = high - low || 1;
    pen.beginPath();
    for (let at = 0; at < many; at++) {
      const value = trail.values[(from + at) % TRAIL];
      pen.lineTo((at / (many - 1)) * canvas.width, canvas.height - 2 - ((value - low) / span) * (canvas.height - 4));
    }
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.lineWidth = scale;
    pen.stroke();
  }

  function show() {
    if (!due) due = requestAnimationFrame(draw);
  }

  function draw() {
    due = 0;
    const first = Math.max(0, Math.floor(grid.scrollTop / ROW) - SPARE);
    const last = Math.min(items.length, Math.ceil((grid.scrollTop + grid.clientHeight) / ROW) + SPARE);
    const size = last - first, now = Date.now();
    while (rows.length < size) rows.push(body.appendChild(made()));
    const unused = rows.filter((row) => row.at < first || row.at >= last || row.at === -1);
    const there = new Map(rows.filter((row) => !unused.includes(row)).map((row) => [row.at, row]));
    let before = null;
    for (let at = first; at < last; at++) {
      const row = there.get(at) ?? unused.pop();
      row.hidden = false;
      fill(row, at, now);
      // In the order in which they are seen: some read the page element by element.
      if (before ? before.nextSibling !== row : body.firstChild !== row) body.insertBefore(row, before ? before.nextSibling : body.firstChild);
      before = row;
    }
    for (const row of unused) {
      row.hidden = true;
      row.at = -1;
      row.removeAttribute("id");
    }
    if (items.length) grid.setAttribute("aria-activedescendant", `fleet-row-${active}`);
    if (!rows.some((row) => row.at === active)) grid.removeAttribute("aria-activedescendant");
  }

  // The small curves of the rows in sight begin with what was before; so slowly that no limit of requests is near.
  const begun = performance.now();
  let recalling = false, scrolled = 0;
  async function recall() {
    if (recalling || ended || performance.now() - scrolled < REST_MS) return;
    const near = rows.filter((row) => row.at >= 0 && row.parts.canvas.offsetParent).map((row) => items[row.at]);
    // Of a service that has just begun the pace, and so the length of the curve, is not known at once.
    const paced = (number) => store.per_min[number] || performance.now() - begun > SLOW_MS;
    const asked = near.filter((number) => store.trail.has(number) && !store.recalled.has(number) && paced(number));
    const known = store.trail, many = asked.length;
    if (!many) return;
    recalling = true;
    const next = async () => {
      for (let number = asked.shift(); number !== undefined && !ended && known === store.trail; number = asked.shift()) {
        store.recalled.add(number);
        const path = `${encodeURIComponent(store.asset[number])}/${encodeURIComponent(store.channel[number])}`;
        const last = Math.round(Math.min(Math.max(60 * TRAIL / (store.per_min[number] || 1), 60), 3600));
        const answer = await fetch(`/api/v1/series/${path}?last=${last}&points=${TRAIL}`).catch(() => null);
        if (!answer?.ok) continue;
        const { curve } = await answer.json();
        if (known === store.trail) store.before(number, curve);
        show();
      }
    };
    await Promise.all([next(), next()]);
    setTimeout(() => { recalling = false; }, PAUSE_MS * many);
  }

  // ---------------------------------------------------------------- by keyboard, by hand

  function point(at) {
    active = Math.max(0, Math.min(items.length - 1, at));
    show();
  }

  function move(at) {
    point(at);
    const top = active * ROW, head = grid.querySelector(".grid-head").offsetHeight;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + ROW + head > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + ROW + head - grid.clientHeight;
  }

  function key(event) {
    const page = Math.max(1, Math.floor(grid.clientHeight / ROW) - 2);
    const to = {
      ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: items.length - 1,
    }[event.key];
    if (to !== undefined) {
      move(to);
      event.preventDefault();
    } else if (event.key === "Enter" && event.target === grid) {
      rows.find((row) => row.at === active)?.parts.link.click();
    }
  }

  function slash(event) {
    if (event.key !== "/" || event.target.closest("input, select, textarea")) return;
    form.elements.text.focus();
    event.preventDefault();
  }

  function changed() {
    const query = new URLSearchParams();
    if (asked.text) query.set("text", asked.text);
    if (asked.states.size) query.set("state", [...asked.states].join(","));
    if (asked.group) query.set("group", asked.group);
    if (asked.sort !== "state" || asked.way !== -1) { query.set("sort", asked.sort); query.set("way", asked.way); }
    const text = String(query);
    history.replaceState(history.state, "", text ? `/?${text}` : "/");
    for (const head of grid.querySelectorAll("[data-sort]")) {
      const own = head.dataset.sort === asked.sort;
      head.setAttribute("aria-sort", own ? (asked.way > 0 ? "ascending" : "descending") : "none");
    }
    for (const chip of form.querySelectorAll("[data-state]")) chip.setAttribute("aria-pressed", asked.states.has(chip.dataset.state));
    arrange();
  }

  form.elements.text.value = asked.text;
  form.elements.group.value = asked.group;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    asked.text = form.elements.text.value;
    asked.group = form.elements.group.value;
    grid.scrollTop = 0;
    changed();
  });
  form.addEventListener("click", (event) => {
    const state = event.target.closest("[data-state]")?.dataset.state;
    if (!state) return;
    if (!asked.states.delete(state)) asked.states.add(state);
    grid.scrollTop = 0;
    changed();
  });
  grid.querySelector(".grid-head").addEventListener("click", (event) => {
    const sort = event.target.closest("[data-sort]")?.dataset.sort;
    if (!sort) return;
    asked.way = sort === asked.sort ? -asked.way : FIRST[sort];
    asked.sort = sort;
    changed();
  });
  grid.addEventListener("scroll", () => { scrolled = performance.now(); show(); }, { passive: true });
  grid.addEventListener("keydown", key);
  document.addEventListener("keydown", slash);
  window.addEventListener("resize", show);

  // ---------------------------------------------------------------- what the service says

  function summed(summary) {
    for (const element of root.querySelectorAll("[data-sum]")) put(element, whole.format(summary[element.dataset.sum]));
    for (const element of root.querySelectorAll("[data-alerts]")) {
      const name = element.dataset.alerts, count = summary.alerts[name];
      put(element, whole.format(count));
      element.parentElement.className = count && name !== "silenced" ? name : "";
    }
    for (const chip of form.querySelectorAll("[data-state]")) put(chip.querySelector("[data-count]"), whole.format(summary.states[chip.dataset.state]));
    if (summary.last !== null) {
      const last = new Date(summary.last / 1e6).toISOString();
      one("[data-last]").dateTime = last;
      put(one("[data-last]"), last.slice(0, 19).replace("T", " "));
    }
    one("[data-empty]").hidden = summary.series > 0;
    one("[data-filled]").hidden = summary.series === 0;
  }

  async function load() {
    store.clear();
    let after = "";
    do {
      const answer = await fetch(`/api/v1/fleet?limit=10000${after && `&after=${after}`}`);
      if (!answer.ok) throw new Error(`the fleet cannot be loaded: ${answer.status}`);
      const columns = await answer.json();
      if (ended) return;
      // The first page is the oldest: what changed since comes with the messages that wait.
      store.version ||= columns.version;
      store.epoch = columns.epoch;
      store.facts(columns);
      store.moved(columns);
      summed(columns.summary);
      after = columns.next;
      arrange();
    } while (after);
    for (const message of waiting.splice(0)) apply(message);
  }

  function begin() {
    loading ??= load()
      .catch(() => new Promise((done) => { setTimeout(done, 2000); }).then(() => { waiting.push({ again: true }); }))
      .finally(() => {
        loading = null;
        if (!ended && waiting.some((message) => message.again)) { waiting = []; begin(); }
      });
  }

  function apply(message) {
    const missed = message.hello && message.version > store.version;
    if (message.again || missed || message.epoch !== store.epoch) {
      waiting.push({ again: true });
      if (!loading) { waiting = []; begin(); }
      return;
    }
    if (message.hello || message.version <= store.version) return;
    store.version = message.version;
    const other = message.facts ? store.facts(message.facts) : false;
    if (message.moved) store.moved(message.moved);
    summed(message.summary);
    // Rows that jump cannot be read: by what changes with each reading it is sorted anew every other second.
    const now = performance.now();
    if (other || (["value", "time", "per_min"].includes(asked.sort) && now - resort > 2000)) {
      resort = now;
      arrange();
    }
    show();
  }

  const silent = listen("fleet", (message) => (loading ? waiting.push(message) : apply(message)));
  const ticking = setInterval(() => { show(); recall(); }, 1000);
  changed();
  begin();

  return () => {
    ended = true;
    silent();
    clearInterval(ticking);
    cancelAnimationFrame(due);
    document.removeEventListener("keydown", slash);
    window.removeEventListener("resize", show);
  };
}
