// Keeps a page up to date; all can be done without it.
"use strict";

const chip = document.getElementById("live");
const stream = document.body.dataset.live;
let source, tag, timer, looking = false, wanted = false, seen = Date.now(), retry = 1000;

// as the reader left it
const kept = (node, name) => name === "open" && node.localName === "details";
const alike = (a, b) => a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

function drop(node) { const next = node.nextSibling; node.remove(); return next; }

function patch(now, next) {
  if (now.isEqualNode(next) || now.dataset?.keep !== undefined) return;
  if (now.nodeType !== Node.ELEMENT_NODE) { now.nodeValue = next.nodeValue; return; }
  for (const { name, value } of next.attributes)
    if (!kept(now, name) && now.getAttribute(name) !== value) now.setAttribute(name, value);
  for (const { name } of [...now.attributes])
    if (!kept(now, name) && !next.hasAttribute(name)) now.removeAttribute(name);
  const ids = new Map([...now.children].filter((c) => c.id).map((c) => [c.id, c]));
  let here = now.firstChild;
  for (const child of [...next.childNodes]) {
    const same = child.id ? ids.get(child.id) : here && !here.id && alike(here, child) ? here : null;
    if (same && alike(same, child)) {
      // moved it would lose the focus: what has no id makes way
      while (here && here !== same && !here.id) here = drop(here);
      if (same === here) here = here.nextSibling; else now.insertBefore(same, here);
      patch(same, child);
    } else {
      now.insertBefore(document.importNode(child, true), here);
    }
  }
  while (here) here = drop(here);
}

async function look() {
  if (looking) { wanted = true; return; }
  looking = true;
  try {
    const headers = { Accept: "text/html", ...(tag && { "If-None-Match": tag }) };
    const answer = await fetch(location.href, { headers, cache: "no-store" });
    if (answer.redirected) return location.reload();
    seen = Date.now();
    if (answer.status !== 304) {
      tag = answer.headers.get("ETag");
      show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
  } catch {}
  looking = false;
  if (wanted) { wanted = false; soon(); }
}

function show(page) {
  if (page.scripts[0]?.src !== document.scripts[0].src) return location.reload();
  const before = document.getElementById("outcome")?.textContent;
  patch(document.body, page.body);
  for (const part of ["title", "link[rel=icon]"]) patch(document.querySelector(part), page.querySelector(part));
  const outcome = document.getElementById("outcome")?.textContent;
  if (outcome && before === "") tell(outcome);
  tick();
}

// outcomes: for ears, and on the desktop if asked for
function tell(outcome) {
  document.getElementById("told").textContent = outcome;
  if (sessionStorage.getItem("notify") === location.pathname) new Notification(outcome);
}

function soon() { timer ??= setTimeout(() => { timer = undefined; look(); }, 100); }

function open() {
  source?.close();
  source = new EventSource(stream);
  source.onopen = () => { retry = 1000; chip.dataset.state = "live"; look(); tick(); };
  source.onmessage = soon;
  source.onerror = () => {
    chip.dataset.state = "away";
    tick();
    if (source.readyState === EventSource.CLOSED && !document.hidden) setTimeout(open, retry = Math.min(2 * retry, 10000));
  };
}

// relative times, as the server writes them
const rough = (s) => s < 60 ? `${s} s` : s < 3600 ? `${s / 60 | 0} min` : s < 172800 ? `${s / 3600 | 0} h` : `${s / 86400 | 0} d`;
function ago(at) {
  const s = Math.floor(Date.now() / 1000) - Math.floor(at / 1000);
  return s <= -60 ? `in ${rough(-s)}` : s < 5 ? "just now" : s < 1209600 ? `${rough(s)} ago` : undefined;
}
function put(node, text) { if (text && node.textContent !== text) node.textContent = text; }
function tick() {
  const bell = document.getElementById("notify");
  if (bell && window.Notification) bell.hidden = false;
  for (const node of document.querySelectorAll("time[data-ago]")) put(node, ago(Date.parse(node.dateTime)));
  for (const node of document.querySelectorAll("[data-since]")) {
    const s = Math.max(0, (Date.now() - Date.parse(node.dataset.since)) / 1000 | 0);
    put(node, s < 60 ? `${s} s` : s < 3600 ? `${s / 60 | 0} min ${s % 60} s` : undefined);
  }
  if (chip.dataset.state === "live") put(chip, "live");
  if (chip.dataset.state === "away") put(chip, `reconnecting, last update ${rough((Date.now() - seen) / 1000 | 0)} ago`);
}

document.addEventListener("click", async (event) => {
  if (event.target.id !== "notify" || await Notification.requestPermission() !== "granted") return;
  sessionStorage.setItem("notify", location.pathname);
  put(event.target, "You will be told when it ends");
});
document.addEventListener("visibilitychange", () => {
  if (!stream) return;
  if (document.hidden) source?.close(); else open(); // six connections are for all tabs
});
setInterval(tick, 1000);
tick();
if (stream && !document.hidden) open();
