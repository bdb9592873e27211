// Keeps a page up to date; all can be done without it.
"use strict";

const chip = document.getElementById("live");
const stream = document.body.dataset.live;
const SILENT = 25000; // milliseconds after which a stream that says nothing is no stream
let source, tag, timer, looking = false, wanted = false, seen = Date.now(), heard = 0, retry = 1000;

// as the reader left it
const kept = (node, name) => name === "open" && node.localName === "details";
const alike = (a, b) => a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
const drop = (node) => { const next = node.nextSibling; node.remove(); return next; };

function patch(now, next) {
  if (now.isEqualNode(next) || now.dataset?.keep !== undefined) return;
  if (now.nodeType !== Node.ELEMENT_NODE) { now.nodeValue = next.nodeValue; return; }
  for (const { name, value } of next.attributes)
    if (!kept(now, name) && now.getAttribute(name) !== value) now.setAttribute(name, value);
  for (const { name } of [...now.attributes])
    if (!kept(now, name) && !next.hasAttribute(name)) now.removeAttribute(name);
  // what is moved loses the focus: what is gone goes first, and what has no id makes way
  const stay = new Set([...next.children].map((c) => c.id).filter(Boolean));
  for (const c of [...now.children]) if (c.id && !stay.has(c.id)) c.remove();
  const ids = new Map([...now.children].filter((c) => c.id).map((c) => [c.id, c]));
  let here = now.firstChild;
  for (const child of [...next.childNodes]) {
    const same = child.id ? ids.get(child.id) : here && !here.id && alike(here, child) ? here : null;
    if (same && alike(same, child)) {
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
    const answer = await fetch(location.href, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.redirected) return location.reload();
    if (answer.status === 200) {
      const text = await answer.text();
      tag = answer.headers.get("ETag");
      show(new DOMParser().parseFromString(text, "text/html"));
    } else if (answer.status !== 304) {
      throw answer.status;
    }
    seen = Date.now();
  } catch {
    soon(2000); // a proxy's moment, or ours
  }
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
const asked = () => sessionStorage.getItem("notify") === location.pathname;
function tell(outcome) {
  document.getElementById("told").textContent = outcome;
  if (asked()) new Notification(outcome);
}

function soon(after = 100) { timer ??= setTimeout(() => { timer = undefined; look(); }, after); }

function open() {
  source?.close();
  heard = Date.now();
  source = new EventSource(stream);
  source.onopen = () => { retry = 1000; chip.dataset.state = "live"; soon(); };
  source.onmessage = () => { heard = Date.now(); soon(); };
  source.addEventListener("ping", () => heard = Date.now());
  source.onerror = () => {
    chip.dataset.state = "away";
    if (source.readyState !== EventSource.CLOSED || document.hidden) return;
    soon(); // a login that ended says so
    setTimeout(open, retry = Math.min(2 * retry, 10000));
  };
}

if (stream) {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) open(); else if (!asked()) source?.close(); // six connections are for all tabs
  });
  setInterval(() => {
    if (!document.hidden && Date.now() - heard > SILENT) { chip.dataset.state = "away"; open(); }
    if (chip.dataset.state === "live") put(chip, "live");
    if (chip.dataset.state === "away") put(chip, `reconnecting, last update ${rough((Date.now() - seen) / 1000 | 0)} ago`);
  }, 500);
  if (!document.hidden) open();
}
