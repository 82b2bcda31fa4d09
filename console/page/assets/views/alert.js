// The page of one alert shows again what changed when this alert changed: by somebody else, or by what was sent here.
import { listen } from "../live.js";

export function mount(element) {
  const again = () => window.htmx.trigger(document.body, "story");
  const end = listen("alert", (alert) => {
    if (alert.alert === element.dataset.alert) again();
  });
  const sent = (event) => {
    if (event.detail.successful && event.detail.requestConfig.verb !== "get") again();
  };
  element.addEventListener("htmx:afterRequest", sent);
  return end;
}
