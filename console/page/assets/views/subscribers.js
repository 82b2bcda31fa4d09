// New subscribers: an example of each kind, settings that are no JSON said before they are sent, a secret shown once.
export function mount(root) {
  const ends = [];
  const on = (element, name, handle) => {
    element.addEventListener(name, handle);
    ends.push(() => element.removeEventListener(name, handle));
  };
  for (const area of root.querySelectorAll('textarea[data-type="json"]')) {
    on(area, "input", () => area.setCustomValidity(problem(area.value)));
  }
  const kinds = root.querySelector("[data-kind]");
  if (kinds) {
    const area = kinds.form.elements.spec;
    on(kinds, "change", () => {
      area.value = kinds.selectedOptions[0].dataset.example;
      area.setCustomValidity("");
    });
  }
  on(root, "htmx:afterRequest", (event) => {
    const { detail } = event;
    if (!detail.successful) return;
    if (detail.elt.id === "remove") {
      // There is nothing here any more that could be shown anew.
      event.stopPropagation();
      location.assign("/subscribers");
    }
    if (!["subscribe", "change"].includes(detail.elt.id)) return;
    const { secret } = JSON.parse(detail.xhr.responseText);
    const place = detail.elt.parentElement.querySelector("[data-secret]");
    place.hidden = !secret;
    place.querySelector("[data-text]").textContent = secret;
  });
  return () => ends.forEach((end) => end());
}

function problem(text) {
  try {
    const found = JSON.parse(text);
    return found && typeof found === "object" && !Array.isArray(found) ? "" : "an object, as {\"kind\": \"webhook\"}";
  } catch (error) {
    return `not JSON: ${error.message}`;
  }
}
