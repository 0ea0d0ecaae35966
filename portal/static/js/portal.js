// Small manners that HTML alone does not have. Everything works without this file.
"use strict";

// A hidden tab does not poll: nobody looks.
document.addEventListener("htmx:beforeRequest", (event) => {
  const polls = (event.detail.elt.getAttribute("hx-trigger") || "").startsWith("every");
  if (polls && document.hidden) event.preventDefault();
});

// What cannot be undone asks first; a second click on a sent form does nothing.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  const question = (button && button.dataset.confirm) || event.target.dataset.confirm;
  if (event.target.dataset.sent || (question && !window.confirm(question))) {
    event.preventDefault();
    return;
  }
  if (event.target.method === "post") event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// The box in a table's head ticks the boxes below it.
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-tick-all]")) return;
  for (const box of document.querySelectorAll(`input[name="${event.target.dataset.tickAll}"]`)) {
    box.checked = event.target.checked;
  }
});

// On a narrow screen the menu starts closed.
if (window.matchMedia("(max-width: 991px)").matches) {
  for (const menu of document.querySelectorAll("details.menu")) menu.removeAttribute("open");
}

// What scrolls sideways can be reached and scrolled by the keyboard.
function reachScrollers() {
  for (const box of document.querySelectorAll(".table-responsive")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
}
reachScrollers();
document.addEventListener("htmx:afterSwap", reachScrollers);

// A log that is followed stays at its end.
document.addEventListener("htmx:afterSwap", () => {
  for (const log of document.querySelectorAll("[data-follow]")) log.scrollTop = log.scrollHeight;
});
