// Curves over time with marks on them: one uPlot chart that follows the page's colours and can be used by keyboard.
//
//   const plot = chart(element, { label: "pump-1/temperature", onRange(from, to) {}, onReset() {} });
//   plot.draw({ from, to, lines: [{ name: "value", t: [ms, ...], v: [...] }], marks: [{ kind, t, until, text }] });
//   plot.append([ms, ...], [value, ...]);   // to the first line; the window moves along
//   plot.end();
//
// kind is one of KINDS. Times are ms since 1970; `until` makes a mark a band, null one that lasts. A line may have
// `scale: "score"`: an axis of its own from 0 to 1; `level` is drawn across that axis.
export const KINDS = {
  alert: "alert", anomaly: "anomaly", drift: "drift", gap: "data gap", model: "model", rejected: "rejected",
  before: "before", after: "after",
};
const LANE = 9;
const HEAD = 4;
const MOST_POINTS = 20000;
const uPlot = window.uPlot;
const dark = matchMedia("(prefers-color-scheme: dark)");

export const zone = { get local() { return localStorage.getItem("zone") === "local"; } };

// An instant as the axes show it.
export function instant(ms) {
  if (ms == null) return "–";
  const date = new Date(ms);
  if (!zone.local) return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  return `${date.toLocaleDateString("sv")} ${date.toLocaleTimeString("sv")}`;
}

export function zoneName() {
  return zone.local ? Intl.DateTimeFormat().resolvedOptions().timeZone : "UTC";
}

export function figure(value) {
  return value == null ? "–" : Number(value.toPrecision(6)).toLocaleString("en", { maximumSignificantDigits: 6 });
}

export function chart(element, { label, height = 340, onRange = () => {}, onReset = () => {} }) {
  let shown = { from: 0, to: 1, lines: [], marks: [] };
  let plot = null;
  let due = 0;
  const told = document.createElement("p");
  told.className = "chart-told soft";
  element.classList.add("chart");
  element.tabIndex = 0;
  element.setAttribute("role", "figure");
  element.setAttribute("aria-roledescription", "chart");

  const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim() || "gray";
  const colours = () => ({
    text: colour("--pico-color"), grid: colour("--pico-muted-border-color"), lines: [colour("--curve"), colour("--curve-2")],
    score: colour("--curve-score"), marks: Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, colour(`--mark-${kind}`)])),
  });
  let paint = colours();

  // Each kind that occurs has a lane of its own above the curve, so that no mark hides another.
  const lanes = () => Object.keys(KINDS).filter((kind) => kind !== "rejected" && shown.marks.some((mark) => mark.kind === kind));

  function options() {
    const scores = shown.lines.some((line) => line.scale === "score");
    const axis = { stroke: () => paint.text, grid: { stroke: () => paint.grid, width: 1 }, ticks: { stroke: () => paint.grid } };
    return {
      width: Math.max(element.clientWidth, 240), height, ms: 1, legend: { show: false }, pxAlign: 0,
      tzDate: (ms) => (zone.local ? new Date(ms) : uPlot.tzDate(new Date(ms), "Etc/UTC")),
      padding: [HEAD + lanes().length * LANE + 6, 22, 0, 0],
      cursor: {
        drag: { x: true, y: false, setScale: false }, focus: { prox: 24 }, points: { size: 6 },
        bind: { dblclick: () => () => { onReset(); return null; } },
      },
      scales: {
        x: { time: true, range: () => [shown.from, Math.max(shown.to, shown.from + 1)] },
        y: { range: (_, low, high) => padded(low, high) },
        score: { range: [0, 1] },
      },
      axes: [
        { ...axis, values: stamps, space: 90 },
        { ...axis, size: 64, values: (_, ticks) => ticks.map(figure) },
        ...(scores ? [{ ...axis, scale: "score", side: 1, size: 40, grid: { show: false }, label: "score", labelSize: 18 }] : []),
      ],
      series: [{}, ...shown.lines.map((line, number) => ({
        label: line.name, scale: line.scale ?? "y", width: 1.25,
        stroke: () => (line.scale === "score" ? paint.score : paint.lines[number % 2]),
        points: { show: line.t.length < 80, size: 4 },
      }))],
      hooks: {
        setSelect: [(self) => {
          const { left, width } = self.select;
          if (width > 4) onRange(self.posToVal(left, "x"), self.posToVal(left + width, "x"));
          self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
        drawClear: [bands],
        draw: [drawn],
        setCursor: [pointed],
      },
    };
  }

  function data() {
    const tables = shown.lines.map((line) => [line.t, line.v]);
    if (!tables.length) return [[], []];
    return tables.length === 1 ? tables[0] : uPlot.join(tables);
  }

  function build() {
    plot?.destroy();
    paint = colours();
    plot = new uPlot(options(), data(), element);
    if (shown.lines.length > 1) plot.root.prepend(legend());
    element.append(told);
    name();
  }

  function legend() {
    const list = document.createElement("p");
    list.className = "chart-lines";
    shown.lines.forEach((line, number) => {
      const one = document.createElement("span");
      one.className = line.scale === "score" ? "line-score" : `line-${number % 2}`;
      one.textContent = line.name;
      list.append(one, " ");
    });
    return list;
  }

  function bands(self) {
    const { ctx, bbox } = self;
    ctx.save();
    for (const mark of shown.marks) {
      if (mark.kind === "rejected") continue;
      const [from, to] = ends(self, mark);
      if (to < bbox.left || from > bbox.left + bbox.width) continue;
      // Alerts may last for days, one over the other: only where they begin is drawn across the curve.
      const line = mark.until === undefined || mark.kind === "alert";
      if (line && from < bbox.left) continue;
      ctx.fillStyle = paint.marks[mark.kind];
      ctx.globalAlpha = line ? 0.5 : 0.13;
      const left = Math.max(from, bbox.left);
      ctx.fillRect(left, bbox.top, line ? devicePixelRatio : Math.max(Math.min(to, bbox.left + bbox.width) - left, 1), bbox.height);
    }
    ctx.restore();
  }

  // A mark's edges in pixels of the canvas; one that lasts goes to the right edge.
  function ends(self, mark) {
    const from = self.valToPos(mark.t, "x", true);
    const until = mark.until === undefined ? mark.t : (mark.until ?? shown.to);
    return [from, Math.max(self.valToPos(until, "x", true), from)];
  }

  function drawn(self) {
    const { ctx, bbox } = self;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `${9 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "middle";
    lanes().forEach((kind, number) => {
      const top = (HEAD + number * LANE) * ratio;
      ctx.globalAlpha = 1;
      ctx.fillStyle = paint.marks[kind];
      ctx.textAlign = "right";
      ctx.fillText(KINDS[kind], bbox.left - 5 * ratio, top + (LANE / 2) * ratio);
      for (const mark of shown.marks) {
        if (mark.kind !== kind) continue;
        const [from, to] = ends(self, mark);
        if (to < bbox.left || from > bbox.left + bbox.width) continue;
        const left = Math.max(from, bbox.left);
        ctx.fillRect(left, top + ratio, Math.max(Math.min(to, bbox.left + bbox.width) - left, 3 * ratio), (LANE - 2) * ratio);
      }
    });
    // Rejected readings may have no value: they stand at the bottom edge.
    ctx.fillStyle = paint.marks.rejected;
    for (const mark of shown.marks) {
      if (mark.kind !== "rejected") continue;
      const at = self.valToPos(mark.t, "x", true);
      if (at < bbox.left || at > bbox.left + bbox.width) continue;
      const foot = bbox.top + bbox.height;
      ctx.beginPath();
      ctx.moveTo(at, foot - 9 * ratio);
      ctx.lineTo(at + 4 * ratio, foot);
      ctx.lineTo(at - 4 * ratio, foot);
      ctx.fill();
    }
    level(self);
    ctx.restore();
  }

  function level(self) {
    const line = shown.lines.find((each) => each.level != null);
    if (!line) return;
    const { ctx, bbox } = self;
    const y = self.valToPos(line.level, line.scale ?? "y", true);
    ctx.strokeStyle = paint.score;
    ctx.setLineDash([6, 4]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }

  // What is under the pointer, in words.
  function pointed(self) {
    const { left, idx } = self.cursor;
    if (left == null || left < 0) {
      told.textContent = hint();
      return;
    }
    const at = self.posToVal(left, "x");
    const reach = ((shown.to - shown.from) / Math.max(self.bbox.width / devicePixelRatio, 1)) * 5;
    const near = shown.marks.filter((mark) => at >= mark.t - reach && at <= (mark.until === undefined ? mark.t : mark.until ?? shown.to) + reach);
    const values = shown.lines.map((line, number) => {
      const value = idx == null ? null : self.data[number + 1][idx];
      return value == null ? "" : `${line.name} ${figure(value)}`;
    });
    const parts = [instant(idx == null ? at : self.data[0][idx]), ...values.filter(Boolean), ...near.slice(0, 3).map((mark) => mark.text)];
    told.textContent = parts.join(" · ") + (near.length > 3 ? ` · and ${near.length - 3} more` : "");
  }

  const hint = () => `Times are ${zone.local ? "local" : "UTC"}. Drag or press + to zoom, - for more, arrows to move, 0 or a double click to go back.`;

  function name() {
    const counts = Object.keys(KINDS).map((kind) => [shown.marks.filter((mark) => mark.kind === kind).length, KINDS[kind]]);
    const marks = counts.filter(([count]) => count).map(([count, word]) => `${count} ${word}`).join(", ") || "no marks";
    const line = shown.lines[0];
    const values = line?.v.filter((value) => value != null) ?? [];
    const range = values.length ? `from ${figure(least(values))} to ${figure(most(values))}` : "no values";
    element.setAttribute("aria-label", `${label}: ${instant(shown.from)} to ${instant(shown.to)}, ${range}, ${marks}`);
    told.textContent = hint();
  }

  function pressed(event) {
    const span = shown.to - shown.from;
    const moves = { "+": [0.25, -0.25], "=": [0.25, -0.25], "-": [-0.5, 0.5], ArrowLeft: [-0.25, -0.25], ArrowRight: [0.25, 0.25] };
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== element) return;
    if (event.key === "0") onReset();
    else if (moves[event.key]) onRange(shown.from + span * moves[event.key][0], shown.to + span * moves[event.key][1]);
    else return;
    event.preventDefault();
  }

  const again = () => build();
  const sized = new ResizeObserver(() => {
    if (plot && Math.abs(plot.width - element.clientWidth) > 1) plot.setSize({ width: Math.max(element.clientWidth, 240), height });
  });
  sized.observe(element);
  element.addEventListener("keydown", pressed);
  dark.addEventListener("change", again);

  return {
    draw(next) {
      shown = { ...shown, ...next };
      build();
    },
    mark(marks) {
      const before = lanes().length;
      shown.marks = marks;
      if (plot && lanes().length === before) plot.redraw();
      else if (plot) build();
    },
    // Bounded: what the window has left behind goes, and what is too much is thinned to its extremes.
    append(times, values) {
      const line = shown.lines[0];
      if (!line || !times.length) return;
      for (let i = 0; i < times.length; i++) {
        if (line.t.length && times[i] <= line.t.at(-1)) continue;
        line.t.push(times[i]);
        line.v.push(values[i]);
      }
      const last = line.t.at(-1) ?? shown.to;
      if (last > shown.to) {
        shown.from += last - shown.to;
        shown.to = last;
      }
      let gone = 0;
      while (gone < line.t.length - 1 && line.t[gone + 1] < shown.from) gone++;
      if (gone > 256) for (const column of [line.t, line.v]) column.splice(0, gone);
      if (line.t.length > MOST_POINTS) [line.t, line.v] = thinned(line.t, line.v);
      due ||= requestAnimationFrame(() => {
        due = 0;
        plot?.setData(data());
      });
    },
    get range() { return [shown.from, shown.to]; },
    again,
    end() {
      cancelAnimationFrame(due);
      sized.disconnect();
      dark.removeEventListener("change", again);
      element.removeEventListener("keydown", pressed);
      plot?.destroy();
    },
  };
}

// The lowest and the highest of every four neighbours.
function thinned(times, values) {
  const t = [], v = [];
  for (let i = 0; i < times.length; i += 4) {
    let low = i, high = i;
    for (let j = i; j < Math.min(i + 4, times.length); j++) {
      if (values[j] < values[low]) low = j;
      if (values[j] > values[high]) high = j;
    }
    for (const j of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
      t.push(times[j]);
      v.push(values[j]);
    }
  }
  return [t, v];
}

const least = (values) => values.reduce((a, b) => Math.min(a, b));
const most = (values) => values.reduce((a, b) => Math.max(a, b));

function padded(low, high) {
  if (low == null || high == null) return [0, 1];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.02 || 1;
  return [low - room, high + room];
}

// Ticks of a time axis: the date where a day begins, seconds only where they tell ticks apart.
function stamps(_, ticks, __, ___, step) {
  return ticks.map((ms, number) => {
    const text = instant(ms);
    const [day, time] = [text.slice(0, 10), text.slice(11, 19)];
    if (step >= 86400000) return day;
    const clock = step >= 60000 ? time.slice(0, 5) : step >= 1000 ? time : `${time}.${String(ms % 1000).padStart(3, "0")}`;
    return number === 0 || time === "00:00:00" ? `${clock}\n${day}` : clock;
  });
}
