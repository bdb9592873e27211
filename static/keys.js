// Keys for hands that stay on them. None acts by itself: each leads to a page or a form that asks.
"use strict";
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
