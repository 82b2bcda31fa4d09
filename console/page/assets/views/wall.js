// Many live curves with one clock: each keeps its last readings, and only those that changed are drawn in a frame.
import { listen, watch } from "../live.js";

const MOST = 6000;
// Numbers that change more often nobody reads.
const TELL_MS = 250;
const figures = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

// The last readings in order of time; old ones make room, so that memory stays the same for ever.
class Ring {
  constructor() {
    this.t = new Float64Array(2 * MOST);
    this.v = new Float64Array(2 * MOST);
    this.clear();
  }

  clear() {
    this.begin = this.end = 0;
  }

  add(times, values) {
    for (let at = 0; at < times.length; at++) {
      if (this.end > this.begin && times[at] < this.t[this.end - 1]) continue;
      if (this.end === 2 * MOST) this.shift();
      this.t[this.end] = times[at];
      this.v[this.end++] = values[at];
      if (this.end - this.begin > MOST) this.begin++;
    }
  }

  // What is missing between an instant and the first of these behind it; without one, what was before all of them.
  fill(times, values, since = -Infinity) {
    const own = [this.t.slice(this.begin, this.end), this.v.slice(this.begin, this.end)];
    const at = from(own[0], since), until = at < own[0].length ? own[0][at] : Infinity;
    const first = from(times, since), last = until === Infinity ? times.length : times.findIndex((time) => time >= until);
    this.clear();
    this.add(own[0].subarray(0, at), own[1].subarray(0, at));
    this.add(times.slice(first, last < 0 ? times.length : last), values.slice(first, last < 0 ? times.length : last));
    this.add(own[0].subarray(at), own[1].subarray(at));
  }

  shift() {
    this.t.copyWithin(0, this.begin, this.end);
    this.v.copyWithin(0, this.begin, this.end);
    this.end -= this.begin;
    this.begin = 0;
  }

  // What is later than an instant, and one reading before it, so that the curve begins at the edge.
  since(time) {
    while (this.end - this.begin > 1 && this.t[this.begin + 1] < time) this.begin++;
    return [this.t.subarray(this.begin, this.end), this.v.subarray(this.begin, this.end)];
  }
}

// Where what is later than an instant begins.
function from(times, since) {
  const at = times.findIndex((time) => time > since);
  return at < 0 ? times.length : at;
}

export function mount(root) {
  const curves = new Map();
  const chooser = root.querySelector("[data-window]");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let span = Number(chooser.value) * 1000, clock = 0, due = 0, telling = 0, ended = false;

  const stroke = () => getComputedStyle(root).getPropertyValue("--pico-primary").trim() || "steelblue";

  function made(figure) {
    const place = figure.querySelector(".curve");
    const plot = new window.uPlot({
      width: Math.max(80, place.clientWidth), height: Math.max(40, place.clientHeight), ms: 1, padding: [2, 0, 2, 0],
      cursor: { show: false }, legend: { show: false }, select: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: { x: { time: false, range: (_, low, high) => [low, high] } },
      series: [{}, { stroke: stroke(), width: 1.25, points: { show: false } }],
    }, [[], []], place);
    return { plot, place, ring: new Ring(), changed: false, value: figure.querySelector("b"), range: figure.querySelector(".range") };
  }

  for (const figure of root.querySelectorAll("[data-series]")) curves.set(figure.dataset.series, made(figure));

  function wake() {
    if (!due) due = requestAnimationFrame(draw);
  }

  function draw() {
    due = 0;
    const drawn = [];
    for (const [name, curve] of curves) {
      if (!curve.changed) continue;
      curve.changed = false;
      const data = curve.ring.since(clock - span);
      curve.plot.batch(() => {
        curve.plot.setData(data, false);
        curve.plot.setScale("x", { min: clock - span, max: clock });
      });
      drawn.push([name, data[0][data[0].length - 1]]);
      curve.untold = true;
    }
    telling ||= setTimeout(tellAll, TELL_MS);
    // For whoever measures how late the curves are: uPlot draws when this frame's scripts are done.
    if (drawn.length) root.dispatchEvent(new CustomEvent("drawn", { detail: drawn }));
  }

  function tellAll() {
    telling = 0;
    for (const curve of curves.values()) tell(curve);
  }

  function tell(curve) {
    if (!curve.untold) return;
    curve.untold = false;
    const { min, max } = curve.plot.scales.y, { v, end } = curve.ring;
    curve.value.textContent = figures.format(v[end - 1]);
    if (min !== null && min !== undefined) curve.range.textContent = `${figures.format(min)} to ${figures.format(max)}`;
  }

  function came(message) {
    for (const [name, { t, v }] of Object.entries(message.series)) {
      const curve = curves.get(name);
      if (!curve) continue;
      curve.ring.add(t, v);
      curve.changed = true;
      clock = Math.max(clock, t[t.length - 1]);
    }
    wake();
  }

  // What was before the page was opened, or came while the connection was broken: a few series at a time.
  async function recall(since = () => undefined) {
    const asked = [...curves].map(([name, curve]) => [name, curve, since(curve)]), long = span / 1000;
    const next = async () => {
      while (asked.length && !ended && long === span / 1000) {
        const [name, curve, known] = asked.shift(), at = name.indexOf("/");
        const path = `${encodeURIComponent(name.slice(0, at))}/${encodeURIComponent(name.slice(at + 1))}`;
        const answer = await fetch(`/api/v1/series/${path}?last=${long}&points=600`).catch(() => null);
        if (!answer?.ok) continue;
        const { t, v } = (await answer.json()).curve;
        if (ended || !t.length) continue;
        curve.ring.fill(t, v, known);
        curve.changed = true;
        clock = Math.max(clock, t[t.length - 1]);
        wake();
      }
    };
    await Promise.all([next(), next()]);
  }

  function again() {
    for (const curve of curves.values()) curve.changed = curve.ring.end > 0;
    wake();
  }

  function resized() {
    for (const { plot, place } of curves.values()) plot.setSize({ width: Math.max(80, place.clientWidth), height: Math.max(40, place.clientHeight) });
    again();
  }

  function painted() {
    for (const { plot } of curves.values()) plot.series[1].stroke = () => stroke();
    again();
  }

  chooser.addEventListener("change", () => {
    span = Number(chooser.value) * 1000;
    again();
    recall();
  });
  const missed = () => recall(({ ring }) => (ring.end > ring.begin ? ring.t[ring.end - 1] : undefined));
  document.addEventListener("reconnected", missed);
  const sized = new ResizeObserver(resized);
  sized.observe(root);
  dark.addEventListener("change", painted);
  const ends = [...curves.keys()].map(watch);
  if (curves.size) ends.push(listen("readings", came));
  recall();

  return () => {
    ended = true;
    for (const end of ends) end();
    sized.disconnect();
    document.removeEventListener("reconnected", missed);
    dark.removeEventListener("change", painted);
    cancelAnimationFrame(due);
    clearTimeout(telling);
    for (const { plot } of curves.values()) plot.destroy();
  };
}
