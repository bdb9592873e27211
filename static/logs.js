// Follows a log and finds in it; the page reads well without.
"use strict";
{
  const MOST = 5000; // lines that stay on the page
  const log = document.getElementById("log"), button = document.getElementById("follow");
  const text = document.getElementById("find-text"), found = document.getElementById("found");
  let source, waiting = [], drawn = 0;

  button.hidden = document.getElementById("find").hidden = false;
  log.scrollTop = log.scrollHeight;

  const matches = (line) => line.textContent.toLowerCase().includes(text.value.toLowerCase());
  function find() {
    let number = 0;
    for (const line of log.children) {
      line.hidden = text.value !== "" && !matches(line);
      number += !line.hidden;
    }
    found.textContent = text.value ? `${number} of ${log.children.length} lines` : "";
  }

  // what comes faster than a screen is drawn is drawn together, and the oldest make way
  function draw() {
    drawn = 0;
    const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const fresh = waiting.slice(-MOST).map((line) => {
      const node = document.createElement("div");
      node.textContent = line;
      node.hidden = text.value !== "" && !matches(node);
      return node;
    });
    waiting = [];
    log.append(...fresh);
    while (log.children.length > MOST) log.firstChild.remove();
    if (below) log.scrollTop = log.scrollHeight;
    if (text.value) find();
  }

  function follow(on) {
    source?.close();
    button.setAttribute("aria-pressed", on);
    button.textContent = on ? "Following" : "Follow";
    if (!on) return;
    source = new EventSource(button.dataset.from);
    source.onmessage = ({ data }) => {
      const part = JSON.parse(data);
      if (part.anew) waiting.push("— the file begins anew here —");
      waiting = waiting.concat(part.lines).slice(-MOST); // nothing is drawn while the tab is hidden
      button.dataset.from = button.dataset.from.replace(/offset=\d+/, `offset=${part.offset}`);
      drawn ||= requestAnimationFrame(draw);
    };
    // it has ended, or broke off: whoever wants more asks again, from where it was
    source.onerror = () => follow(false);
  }

  button.addEventListener("click", () => follow(button.getAttribute("aria-pressed") !== "true"));
  text.addEventListener("input", find);
}
