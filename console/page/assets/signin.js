// Shows a token to the service once; the browser gets a cookie that no script can read.
const form = document.getElementById("sign-in");
const said = document.getElementById("said");

// Whoever comes by a link from elsewhere sends no cookie with it, but has a session all the same.
const known = await fetch("/api/v1/session").then((answer) => answer.json()).catch(() => ({}));
if (known.name) onward();

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = "";
  try {
    const answer = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: form.elements.token.value.trim() }),
    });
    if (answer.ok) onward();
    else {
      const { error, mend } = await answer.json();
      said.textContent = answer.status === 401 ? "This token is not known, or it counts no more." : `${error}: ${mend}`;
    }
  } catch {
    said.textContent = "The service does not answer.";
  }
});

function onward() {
  location.replace(form.dataset.next);
}
