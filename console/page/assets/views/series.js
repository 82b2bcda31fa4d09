// One series: its curve range by range, what happened to it, and what comes in while the right edge is now.
import { KINDS, chart, figure, instant, zone, zoneName } from "../chart.js";
import { listen, watch } from "../live.js";

const POINTS = 2000;
const MOST_ROWS = 300;
const MOST_TRIES = 20;
const WORDS = { "": "", info: "info", warning: "warning", critical: "critical" };

// No line is drawn across what was noticed as a gap.
function broken({ t, v }, marks) {
  const gaps = marks.filter(({ what, until }) => (what === "gap" || what === "stale") && until != null).sort((a, b) => a.t - b.t);
  const [times, values] = [[], []];
  let next = 0;
  t.forEach((time, number) => {
    while (next < gaps.length && gaps[next].until < time) next++;
    const before = t[number - 1];
    if (number && next < gaps.length && before <= gaps[next].t + 1 && time >= gaps[next].until - 1) {
      times.push((before + time) / 2);
      values.push(null);
    }
    times.push(time);
    values.push(v[number]);
  });
  return { t: times, v: values };
}

export function mount(root) {
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const { asset, channel } = root.dataset;
  const series = `${asset}/${channel}`;
  const form = part("range");
  const address = `/api/v1/series/${encodeURIComponent(asset)}/${encodeURIComponent(channel)}`;
  const unseen = new Set();
  let wanted = read();
  let found = null;
  let asking = null;
  let gone = [];
  let due = 0;
  let tries = 0;

  const plot = chart(part("chart"), {
    label: series, height: innerHeight < 600 ? 260 : 360,
    onRange: (from, to) => go({ from: Math.round(from), to: Math.round(to), seconds: null }),
    onReset: () => go({ from: null, to: null, seconds: 3600 }),
  });

  // What is shown stands in the address, so that it can be sent to somebody.
  function read() {
    const query = new URLSearchParams(location.search);
    const at = (name) => { const ms = Date.parse(query.get(name) ?? ""); return Number.isNaN(ms) ? null : ms; };
    const [from, to] = [at("from"), at("to")];
    const said = query.has("last") ? Number(query.get("last")) : 3600;
    const seconds = from != null || to != null ? null : Number.isInteger(said) && said >= 0 ? said : 3600;
    return { from, to, seconds, score: query.get("score") === "1" };
  }

  function write() {
    const query = new URLSearchParams();
    if (wanted.seconds != null) { if (wanted.seconds !== 3600) query.set("last", wanted.seconds); }
    else for (const name of ["from", "to"]) if (wanted[name] != null) query.set(name, new Date(wanted[name]).toISOString());
    if (wanted.score) query.set("score", "1");
    history.replaceState(history.state, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
  }

  function go(change) {
    tries = 0;
    clearTimeout(due);
    wanted = { ...wanted, ...change };
    write();
    ask();
  }

  async function ask() {
    asking?.abort();
    const mine = (asking = new AbortController());
    const query = new URLSearchParams({ points: POINTS });
    if (wanted.score) query.set("score", "1");
    if (wanted.seconds === 0) query.set("from", "begin");
    else if (wanted.seconds != null) query.set("last", wanted.seconds);
    else for (const name of ["from", "to"]) if (wanted[name] != null) query.set(name, new Date(wanted[name]).toISOString());
    part("chart").setAttribute("aria-busy", "true");
    say("reading …");
    try {
      const answer = await fetch(`${address}?${query}`, { signal: mine.signal });
      const data = await answer.json();
      if (!answer.ok) return say(data.mend ? `${data.error}: ${data.mend}` : data.error, "warning");
      found = data;
      show();
      // What is read of long ranges is remembered: asking again goes on from there.
      tries = data.late ? tries + 1 : 0;
      say(data.late ? "reading older parts …" : "");
      if (data.late && tries < MOST_TRIES) due = setTimeout(ask, 500);
    } catch (error) {
      if (error.name !== "AbortError") say("The service does not answer.", "warning");
    } finally {
      if (mine === asking) part("chart").removeAttribute("aria-busy");
    }
  }

  function say(text, kind = "soft") {
    part("state").textContent = text;
    part("state").className = kind;
  }

  const mark = ({ until, open, ...rest }) => ({ ...rest, until: open ? null : until ?? undefined });

  function show() {
    const from = Date.parse(found.from), to = Date.parse(found.to);
    const lines = [{ name: channel, ...broken(found.curve, found.marks) }];
    if (found.score) lines.push({ name: "score", scale: "score", t: found.score.t, v: found.score.v, level: found.facts.threshold });
    plot.draw({ from, to, lines, marks: drawnMarks() });
    fields(from, to);
    table();
    facts();
    missing();
    others();
    now(found.latest ? Date.parse(found.latest) : null, found.latest_value);
    follow();
  }

  const drawnMarks = () => found.marks.filter((each) => !unseen.has(each.kind)).map(mark);

  function now(time, value) {
    part("value").textContent = value == null ? "no reading" : figure(value);
    part("age").textContent = time == null ? "" : `at ${instant(time)}`;
  }

  const field = (ms) => instant(ms).slice(0, 19).replace(" ", "T");
  const parsed = (text) => (text ? Date.parse(zone.local ? text : `${text}Z`) : null);

  function fields(from, to) {
    form.elements.from.value = field(from);
    form.elements.to.value = field(to);
    form.elements.local.checked = zone.local;
    form.elements.score.checked = wanted.score;
    part("scored").hidden = !found.scored;
    for (const each of root.querySelectorAll(`[data-part="zone"]`)) each.textContent = zoneName();
    for (const button of form.querySelectorAll("[data-seconds]"))
      button.setAttribute("aria-pressed", String(wanted.seconds === Number(button.dataset.seconds)));
  }

  function table() {
    const rows = found.marks.filter((each) => !unseen.has(each.kind)).reverse();
    part("marks").replaceChildren(...rows.slice(0, MOST_ROWS).map(row));
    for (const kind of Object.keys(KINDS)) {
      const count = root.querySelector(`[data-count="${kind}"]`);
      const sum = found.marks.filter((each) => each.kind === kind).length + (found.marks_left_out[kind] ?? 0);
      if (count) count.textContent = kind === "rejected" ? found.rejected.toLocaleString("en") : sum;
    }
    const left = Object.entries(found.marks_left_out).map(([kind, count]) => `${count} earlier: ${KINDS[kind]}`);
    if (rows.length > MOST_ROWS) left.push(`${rows.length - MOST_ROWS} more are drawn only`);
    part("more").textContent = rows.length ? left.join("; ") : "Nothing happened in this range.";
  }

  function row(each) {
    const cells = [brief(each.t), KINDS[each.kind], each.text, each.open ? "lasts" : each.until == null ? "" : brief(each.until)];
    const made = document.createElement("tr");
    made.append(...cells.map((text, number) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      if (number === 1) cell.className = `kind kind-${each.kind}`;
      if (number === 0 || number === 3) cell.className = "when";
      if (number === 2 && WORDS[each.severity]) cell.prepend(badge(each.severity), " ");
      return cell;
    }));
    const more = document.createElement("td");
    if (each.link) more.append(link(each.link, each.kind === "alert" ? "alert" : "lineage"), " ");
    const span = Math.max((each.until ?? each.t) - each.t, 60000);
    const near = link(`?from=${new Date(each.t - span).toISOString()}&to=${new Date((each.until ?? each.t) + span).toISOString()}`, "zoom");
    near.addEventListener("click", (event) => {
      event.preventDefault();
      event.stopPropagation();
      go({ from: Math.round(each.t - span), to: Math.round((each.until ?? each.t) + span), seconds: null });
      part("chart").focus();
    });
    near.setAttribute("hx-boost", "false");
    more.append(near);
    made.append(more);
    return made;
  }

  const brief = (ms) => instant(ms).slice(0, 19);

  function badge(severity) {
    const made = document.createElement("strong");
    made.className = severity;
    made.textContent = WORDS[severity];
    return made;
  }

  function link(href, text) {
    const made = document.createElement("a");
    made.href = href;
    made.textContent = text;
    return made;
  }

  function facts() {
    const { facts: said, curve } = found;
    const rows = [
      ["readings", `${curve.count.toLocaleString("en")} in this range${curve.raw ? ", all drawn" : `, drawn as ${curve.t.length.toLocaleString("en")} that keep the extremes`}`],
      ["values", said.lowest == null ? "none" : `${figure(said.lowest)} to ${figure(said.highest)}`],
      ["readings a minute", said.per_minute == null ? "–" : figure(said.per_minute)],
      ["rejected", said.rejected_share == null ? "–" : `${found.rejected.toLocaleString("en")} (${Number((said.rejected_share * 100).toPrecision(3))} %)`],
      ["detector", said.detector ?? "no anomaly in this range names one"],
      ["bundle that found it", said.bundle ?? "–"],
      ["threshold of the score", figure(said.threshold)],
      ...Object.entries(said.serving).map(([agent, bundle]) => [`bundle of ${agent}`, bundle]),
      ["drift is measured against", said.reference ?? "not told in this range"],
    ];
    part("facts").replaceChildren(...rows.flatMap(([name, text]) => {
      const [head, body] = [document.createElement("dt"), document.createElement("dd")];
      head.textContent = name;
      body.textContent = text;
      if (/^[0-9a-f]{32,}$/.test(text)) body.className = "id";
      return [head, body];
    }));
  }

  function missing() {
    part("missing").replaceChildren(...found.missing.map(({ from, to, why }) => {
      const line = document.createElement("p");
      line.textContent = `Missing${from ? ` from ${instant(Date.parse(from))} to ${instant(Date.parse(to))}` : ""}: ${why}`;
      return line;
    }));
  }

  function others() {
    const links = found.channels.map((name) => link(`/series/${encodeURIComponent(asset)}/${encodeURIComponent(name)}`, name));
    part("channels").replaceChildren(...(links.length ? ["Other channels: "] : []), ...links.flatMap((each, number) => (number ? [" · ", each] : [each])));
    window.htmx.process(part("channels"));
  }

  // The right edge is now where nobody chose an end.
  const following = () => form.elements.live.checked && wanted.to == null && found;

  function follow() {
    if (!following()) return gone.splice(0).forEach((end) => end());
    if (gone.length) return;
    gone = [
      watch(series),
      listen("readings", ({ series: all }) => {
        const mine = all[series];
        if (!mine?.t.length || !following()) return;
        plot.append(mine.t, mine.v);
        now(mine.t.at(-1), mine.v.at(-1));
      }),
      listen("mark", (each) => {
        if (each.series !== series || !following()) return;
        clearTimeout(due);
        due = setTimeout(ask, 1000);
      }),
    ];
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [from, to] = [parsed(form.elements.from.value), parsed(form.elements.to.value)];
    if (from != null && to != null && from >= to) return say("From is later than to.", "warning");
    go({ from, to, seconds: null });
  });
  form.addEventListener("click", ({ target }) => {
    if (target.dataset.seconds) go({ from: null, to: null, seconds: Number(target.dataset.seconds) });
  });
  form.addEventListener("change", ({ target }) => {
    if (target.name === "live") follow();
    else if (target.name === "score") go({ score: target.checked });
    else if (target.name === "local") {
      localStorage.setItem("zone", target.checked ? "local" : "UTC");
      if (found) show();
    }
  });
  part("kinds").addEventListener("change", ({ target }) => {
    if (target.checked) unseen.delete(target.name);
    else unseen.add(target.name);
    if (!found) return;
    plot.mark(drawnMarks());
    table();
  });
  const missed = () => { if (following()) ask(); };
  document.addEventListener("reconnected", missed);
  ask();

  return () => {
    document.removeEventListener("reconnected", missed);
    asking?.abort();
    clearTimeout(due);
    gone.splice(0).forEach((end) => end());
    plot.end();
  };
}
