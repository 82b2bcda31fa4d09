// The differences of a replay on the curve of a series: what was said then, and what is said now.
import { chart } from "../chart.js";

const PAD_MS = 60_000;

export function mount(element) {
  const { replay, from, to } = element.dataset;
  const choice = element.querySelector("[data-series]");
  const told = element.querySelector("[data-told]");
  const place = element.querySelector("[data-chart]");
  let plot = null;
  let ended = false;
  let latest = 0;

  async function show(wish) {
    const turn = ++latest;
    const series = choice.value;
    if (!series) return;
    const found = await json(`/api/v1/replays/${replay}/differences?${new URLSearchParams({ series, limit: 1000 })}`);
    if (ended || turn !== latest) return;
    // Who is told follows from what is found, and every reading is on the curve: they would only stand in front of it.
    const drawn = ({ type }) => type !== "NotificationDue" && !type.startsWith("Readings");
    const marks = found.differences.filter(drawn).flatMap(marksOf);
    const range = wish ?? whole(marks);
    const query = new URLSearchParams({ points: 2000 });
    if (range) {
      query.set("from", new Date(range[0]).toISOString());
      query.set("to", new Date(range[1]).toISOString());
    }
    const curve = await json(`/api/v1/series/${series.split("/").map(encodeURIComponent).join("/")}?${query}`);
    if (ended || turn !== latest) return;
    plot ??= chart(place, { label: "Differences", onRange: (...next) => show(next), onReset: () => show(null) });
    plot.draw({
      from: Date.parse(curve.from), to: Date.parse(curve.to), marks,
      lines: [{ name: series, t: curve.curve.t, v: curve.curve.v }],
    });
    const counts = ["before", "after"].map((kind) => marks.filter((mark) => mark.kind === kind).length);
    told.textContent = `${series}: ${counts[0]} said then, ${counts[1]} said now, where they differ`
      + (found.next ? ", of the first 1,000 differences" : "");
  }

  // The range that was asked for; without one, where the differences are.
  function whole(marks) {
    const times = marks.map((mark) => mark.t);
    const first = from ? Date.parse(from) : Math.min(...times) - PAD_MS;
    const last = to ? Date.parse(to) : Math.max(...times) + PAD_MS;
    return Number.isFinite(first) && Number.isFinite(last) && first < last ? [first, last] : null;
  }

  const changed = () => show(null).catch((error) => { told.textContent = error.message; });
  choice.addEventListener("change", changed);
  changed();
  return () => {
    ended = true;
    plot?.end();
  };
}

// One difference as marks: on the side of what was recorded, on the side of now, or on both.
function marksOf({ difference, type, time, time_now: now, summary }) {
  const text = `${type}, ${difference}: ${summary}`;
  const before = { kind: "before", t: Date.parse(time), text: `then: ${text}` };
  const after = { kind: "after", t: Date.parse(now), text: `now: ${text}` };
  if (difference === "vanishes") return [before];
  return difference === "appears" ? [after] : [before, after];
}

async function json(path) {
  const answer = await fetch(path);
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.mend ? `${found.error}: ${found.mend}` : found.error);
  return found;
}
