// Makes forms and filters quicker; every one of them works without this module.
//
// <form data-enhance>                        sent by fetch; the answer's <main> takes the place of ours
//   <button data-pending="Checking in …">    what the button says meanwhile
// <main data-lost="No answer …">             what is said when no answer comes
// <a data-filter="vacant" href="?show=…">    sets data-show on the nearest [data-filtered] without loading

function fail(form, text) {
  form.querySelector(".form-failed")?.remove();
  const note = document.createElement("p");
  note.className = "notice bad form-failed";
  note.setAttribute("role", "alert");
  note.textContent = text;
  form.prepend(note);
}

function pending(form, button, on) {
  form.setAttribute("aria-busy", String(on));
  if (!button) return;
  button.disabled = on;
  const words = button.querySelector("[data-words]") ?? button;
  if (on && button.dataset.pending) {
    button.dataset.idle = words.textContent;
    words.textContent = button.dataset.pending;
  } else if (!on && button.dataset.idle) {
    words.textContent = button.dataset.idle;
  }
}

function show(text, url) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const main = fresh.querySelector("main");
  if (!main) return location.assign(url);
  document.querySelector("main").replaceWith(main);
  document.title = fresh.title;
  for (const name of ["live", "now"]) {
    if (fresh.body.dataset[name]) document.body.dataset[name] = fresh.body.dataset[name];
    else delete document.body.dataset[name];
  }
  if (new URL(url).href !== location.href) history.pushState({ swapped: true }, "", url);
  (main.querySelector("[data-focus]") ?? main.querySelector("[role=alert]") ?? main).focus({ preventScroll: true });
  document.dispatchEvent(new CustomEvent("latchkey:swapped"));
}

async function send(form, button) {
  const data = new URLSearchParams(new FormData(form, button));
  const action = new URL(button?.getAttribute("formaction") ?? form.getAttribute("action"), location.href);
  const get = form.method === "get";
  if (get) action.search = data.toString();
  pending(form, button, true);
  try {
    const response = await fetch(action, { method: get ? "GET" : "POST", body: get ? undefined : data, headers: { Accept: "text/html" } });
    show(await response.text(), response.url);
  } catch {
    pending(form, button, false);
    fail(form, document.querySelector("main").dataset.lost);
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-enhance]")) return;
  event.preventDefault();
  if (form.getAttribute("aria-busy") !== "true") void send(form, event.submitter);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-filter]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const target = document.querySelector("[data-filtered]");
  if (!target) return;
  event.preventDefault();
  target.dataset.show = link.dataset.filter;
  mark();
  history.replaceState(null, "", link.href);
});

// The chosen filter stays marked, also after a patch has drawn the links anew.
function mark() {
  const target = document.querySelector("[data-filtered]");
  if (!target) return;
  for (const link of document.querySelectorAll("a[data-filter]")) {
    if (link.dataset.filter === target.dataset.show) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

new MutationObserver(mark).observe(document.body, { childList: true, subtree: true });
addEventListener("popstate", () => location.reload());
