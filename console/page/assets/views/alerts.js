// The inbox by keyboard, and several alerts at once: each is taken care of by its own button.
export function mount(element) {
  const chosen = new Set();
  const rows = () => [...element.querySelectorAll("[data-row]")];
  const button = (row, name) => row.querySelector(`[data-does="${name}"]`);

  // The list is replaced whenever an alert changes: what was chosen stays chosen.
  function shown() {
    const there = new Set(rows().map((row) => row.dataset.row));
    for (const id of chosen) if (!there.has(id)) chosen.delete(id);
    for (const row of rows()) {
      const box = row.querySelector("[data-choose]");
      if (box) box.checked = chosen.has(row.dataset.row);
    }
    const all = element.querySelector("[data-all]");
    if (all) all.checked = chosen.size > 0 && chosen.size === there.size;
    for (const each of element.querySelectorAll("[data-bulk]")) each.disabled = chosen.size === 0;
    const told = element.querySelector("[data-chosen]");
    if (told) told.textContent = chosen.size ? `${chosen.size} chosen` : "";
  }

  function choose(row, on) {
    if (on) chosen.add(row.dataset.row);
    else chosen.delete(row.dataset.row);
  }

  function changed(event) {
    const all = rows();
    if ("all" in event.target.dataset) for (const row of all) choose(row, event.target.checked);
    else if ("choose" in event.target.dataset) choose(event.target.closest("[data-row]"), event.target.checked);
    else return;
    shown();
  }

  function clicked(event) {
    const name = event.target.dataset?.bulk;
    if (!name) return;
    const mine = rows().filter((row) => chosen.has(row.dataset.row));
    chosen.clear();
    for (const row of mine) button(row, name)?.click();
    shown();
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), select, textarea")) return;
    const all = rows();
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const row = all[at];
    if (event.key === "j" || event.key === "k") {
      const next = all[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), all.length - 1)];
      next?.querySelector("[data-open]").focus();
    } else if (event.key === "a" && row) button(row, "ack")?.click();
    else if (event.key === "x" && row?.querySelector("[data-choose]")) {
      choose(row, !chosen.has(row.dataset.row));
      shown();
    } else return;
    event.preventDefault();
  }

  element.addEventListener("change", changed);
  element.addEventListener("click", clicked);
  document.addEventListener("keydown", pressed);
  const replaced = new MutationObserver(shown);
  replaced.observe(element, { childList: true });
  shown();
  return () => {
    replaced.disconnect();
    document.removeEventListener("keydown", pressed);
  };
}
