// Keeps a page live: parts that changed on the server replace those of the same id. Without this module the page is still right
// when it is loaded; only then it has to be loaded again to see what is new.
//
// <body data-live="/p/demo/board/live?after=…">          the event stream of this page
// <span data-live-state data-live="…" data-lost="…">     the badge and its words
// <time data-since="2026-11-21T22:04:11+01:00">          an age that goes on counting

const SILENCE_MS = 40_000; // the server beats every 15 s; two and a half of them
const HIDDEN_MS = 20_000; // a tab in the background gives its connection back: browsers allow six per server
const FLASH_MS = 1_600;
let source = null;
let heard = 0;
let hiddenTimer = 0;

function badge(state) {
  for (const element of document.querySelectorAll("[data-live-state]")) {
    element.hidden = false;
    element.dataset.liveState = state;
    const words = element.querySelector("[data-words]") ?? element;
    if (words.textContent !== element.dataset[state]) words.textContent = element.dataset[state];
  }
  document.body.classList.toggle("stale", state === "lost");
}

function fromHtml(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

// What a person has begun to choose survives the patch of the part around it.
function keepChoices(before, after) {
  for (const control of before.querySelectorAll("input[name], select[name], textarea[name]")) {
    if (control.type === "hidden") continue;
    const value = control.type === "radio" || control.type === "checkbox" ? `[value="${CSS.escape(control.value)}"]` : "";
    const twin = after.querySelector(`[name="${CSS.escape(control.name)}"]${value}`);
    if (!twin) continue;
    if (value) twin.checked = control.checked;
    else twin.value = control.value;
  }
  for (const details of before.querySelectorAll("details[open][id]")) after.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
}

// A patch is drawn once for everybody who looks: the session's token is this browser's own.
function sign(part) {
  const token = document.querySelector(".who input[name=csrf]")?.value ?? "";
  for (const field of part.querySelectorAll('input[name="csrf"]')) field.value = token;
}

function replace(before, after, flash = true) {
  if (before.querySelector("[aria-busy=true]")) return; // a form is under way: its answer brings the whole page
  const focused = before.contains(document.activeElement) ? document.activeElement : null;
  const place = focused ? [...before.querySelectorAll("*")].indexOf(focused) : -1;
  keepChoices(before, after);
  sign(after);
  before.replaceWith(after);
  if (focused === before) after.focus({ preventScroll: true });
  else if (focused) (after.querySelector(`[id="${focused.id || " "}"]`) ?? after.querySelectorAll("*")[place])?.focus?.({ preventScroll: true });
  if (flash) {
    after.classList.add("changed");
    setTimeout(() => after.classList.remove("changed"), FLASH_MS);
  }
  tick();
}

function patch({ id, html }) {
  const before = document.getElementById(id);
  const after = fromHtml(html);
  if (before && after) replace(before, after);
  else void resync();
}

// Something was missed: take the page anew and put its parts in place of ours.
async function resync() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!fresh.body.dataset.live) return location.reload(); // the session is over: the page says so itself
  const parts = document.querySelectorAll("[data-part]");
  if ([...parts].some((part) => !fresh.getElementById(part.id)) || fresh.querySelectorAll("[data-part]").length !== parts.length) {
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
    document.dispatchEvent(new CustomEvent("latchkey:drawn"));
  } else {
    for (const part of parts) {
      const after = fresh.getElementById(part.id);
      if (part.outerHTML !== after.outerHTML && !part.querySelector("[data-part]")) replace(part, after);
    }
  }
  document.body.dataset.live = fresh.body.dataset.live;
  tick();
}

function stop() {
  source?.close();
  source = null;
}

function start() {
  stop();
  const address = document.body.dataset.live;
  if (!address) return;
  heard = Date.now();
  source = new EventSource(address);
  source.onopen = () => {
    heard = Date.now();
    badge("live");
  };
  source.onerror = () => {
    badge("lost");
    // Refused, not only cut: perhaps the session is over, and the page itself will say so.
    if (source?.readyState === EventSource.CLOSED) setTimeout(() => void resync().then(start), 3_000);
  };
  source.addEventListener("beat", () => { heard = Date.now(); });
  source.addEventListener("patch", (event) => {
    heard = Date.now();
    patch(JSON.parse(event.data));
  });
  source.addEventListener("resync", () => {
    heard = Date.now();
    void resync();
  });
}

// Ages count in the browser; the clock of the page is the hotel's business time, brought by the page itself.
const UNITS = [[60, 1, "unitS"], [3_600, 60, "unitMin"], [172_800, 3_600, "unitH"], [Infinity, 86_400, "unitD"]];
const loadedAt = Date.now();
const offset = document.body.dataset.now ? Date.parse(document.body.dataset.now) - loadedAt : 0;

function tick() {
  const now = Date.now() + offset;
  for (const element of document.querySelectorAll("time[data-since]")) {
    const seconds = Math.max(0, Math.floor((now - Date.parse(element.dataset.since)) / 1000));
    const [, size, unit] = UNITS.find(([most]) => seconds < most);
    const text = `${Math.floor(seconds / size)} ${document.body.dataset[unit]}`;
    if (element.textContent !== text) element.textContent = text;
  }
}

document.addEventListener("latchkey:swapped", start);
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(stop, HIDDEN_MS);
  } else if (!source && document.body.dataset.live) {
    void resync().then(start);
  }
});
addEventListener("pagehide", stop);
addEventListener("pageshow", (event) => {
  if (event.persisted) void resync().then(start); // the page came out of the browser's own cache
});
setInterval(() => {
  tick();
  if (source && Date.now() - heard > SILENCE_MS) {
    badge("lost");
    start();
  }
}, 1_000);
tick();
start();
