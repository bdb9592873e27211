// What every page has: times that go on, and keys. No key acts by itself: each leads to a page or a form that asks.
"use strict";

// relative times, as the server writes them
const rough = (s) => s < 60 ? `${s} s` : s < 3600 ? `${s / 60 | 0} min` : s < 172800 ? `${s / 3600 | 0} h` : `${s / 86400 | 0} d`;
function ago(at) {
  const s = Math.floor(Date.now() / 1000) - Math.floor(at / 1000);
  return s <= -60 ? `in ${rough(-s)}` : s < 5 ? "just now" : s < 1209600 ? `${rough(s)} ago` : undefined;
}
function put(node, text) { if (text && node.textContent !== text) node.textContent = text; }
function tick() {
  for (const node of document.querySelectorAll("time[data-ago]")) put(node, ago(Date.parse(node.dateTime)));
  for (const node of document.querySelectorAll("[data-since]")) {
    const s = Math.max(0, (Date.now() - Date.parse(node.dataset.since)) / 1000 | 0);
    put(node, s < 60 ? `${s} s` : s < 3600 ? `${s / 60 | 0} min ${s % 60} s` : undefined);
  }
  const bell = document.getElementById("notify");
  if (!bell || !window.Notification) return;
  bell.hidden = false;
  if (sessionStorage.getItem("notify") === location.pathname) put(bell, "You will be told when it ends");
}
setInterval(tick, 1000);

// what was done is said once: neither a reload nor what changes next says it again
if (new URLSearchParams(location.search).has("did")) {
  const here = new URL(location);
  here.searchParams.delete("did");
  history.replaceState(history.state, "", here);
}
tick();

{
  // as the system says, then light, then dark
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const themes = ["", "light", "dark"];
  const say = () => put(button, `Theme: ${root.dataset.theme || "system"}`);
  button.hidden = false;
  say();
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme ?? "") + 1) % themes.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    try {
      localStorage.setItem("theme", next);
    } catch {
      // it holds for this page
    }
    say();
  });
}

document.addEventListener("click", async (event) => {
  if (event.target.id !== "notify" || await Notification.requestPermission() !== "granted") return;
  sessionStorage.setItem("notify", location.pathname);
  tick();
});

{
  const rows = () => [...document.querySelectorAll("main tbody tr")].filter((row) => row.querySelector("a") && !row.closest("#settings"));
  let before = "";

  function go(step) {
    const all = rows();
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))];
    next?.querySelector("a").focus();
  }

  function follow(selector) {
    const row = document.activeElement?.closest("tr");
    (row?.querySelector(selector) ?? document.querySelector(`main ${selector}`))?.click();
  }

  function unfold(id, field) {
    const part = document.getElementById(id);
    if (part) part.open = true;
    document.getElementById(field)?.focus();
  }

  const keys = {
    "/": () => document.querySelector("main input[type=search], main form[role=search] input")?.focus(),
    j: () => go(1),
    k: () => go(-1),
    r: () => follow('a[href*="/rollback?"]'),
    d: () => follow('a[href$="/deploy"]'),
    l: () => unfold("lock", "lock-reason"),
    "g a": () => location.assign("/"),
    "g e": () => location.assign("/events"),
    "?": () => document.getElementById("keys").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = before === "g" ? `g ${event.key}` : event.key;
    before = event.key;
    if (!keys[key]) return;
    event.preventDefault();
    keys[key]();
  });
}
