// Light or dark, where somebody chose; it runs before the page is drawn, so that none is shown in the other.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // a browser that keeps nothing shows what its system says
}
