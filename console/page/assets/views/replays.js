// The form of /replays: what was asked for is shown at once.
export function mount(form) {
  const sent = (event) => {
    if (event.detail.elt !== form || !event.detail.successful) return;
    const { id } = JSON.parse(event.detail.xhr.responseText);
    location.assign(`/replays/${encodeURIComponent(id)}`);
  };
  form.addEventListener("htmx:afterRequest", sent);
  return () => form.removeEventListener("htmx:afterRequest", sent);
}
