// theme.js: light, dark, or as the system says. A classic script, so that the page is never drawn in the wrong colours first.
"use strict";
(() => {
  const KEY = "tally.theme";
  const CHOICES = ["auto", "light", "dark"];

  // Storage may be forbidden; then the choice lasts as long as the page.
  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function store(choice) {
    try {
      localStorage.setItem(KEY, choice);
    } catch { /* see above */ }
  }

  const first = stored();
  document.documentElement.dataset.theme = CHOICES.includes(first) ? first : "auto";

  document.addEventListener("DOMContentLoaded", () => {
    const now = document.documentElement.dataset.theme;
    for (const radio of document.querySelectorAll("input[name=theme]")) {
      radio.checked = radio.value === now;
      radio.addEventListener("change", () => {
        document.documentElement.dataset.theme = radio.value;
        store(radio.value);
        document.dispatchEvent(new Event("tally:colours"));
      });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("tally:colours")));
  });
})();
