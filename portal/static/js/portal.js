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
  if (event.target.method !== "post") return;
  event.target.dataset.sent = "yes";
  // A download leaves its page as it is: the next click but a double one is meant.
  if (button && "download" in button.dataset) {
    window.setTimeout(() => delete event.target.dataset.sent, 2000);
  }
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

// A log that is followed stays at its end.
document.addEventListener("htmx:afterSwap", () => {
  for (const log of document.querySelectorAll("[data-follow]")) log.scrollTop = log.scrollHeight;
});
