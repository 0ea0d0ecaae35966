// Small manners that HTML alone does not have. Everything works without this file.
"use strict";

// A hidden tab does not poll: nobody looks.
document.addEventListener("htmx:beforeRequest", (event) => {
  const polls = (event.detail.elt.getAttribute("hx-trigger") || "").startsWith("every");
  if (polls && document.hidden) event.preventDefault();
});

// A poll that fails says so, in a place of its own, until the next one works.
const failing = new Set();
function sayTrouble() {
  const place = document.getElementById("trouble");
  if (!place) return;
  const kind = failing.size ? [...failing][0].split(" ")[0] : "";
  const text = kind ? place.dataset[kind] : "";
  if (place.textContent !== text) place.textContent = text;
}
function notePoll(event, kind) {
  const poller = event.detail.elt;
  if (!(poller.getAttribute("hx-trigger") || "").startsWith("every")) return;
  for (const one of ["away", "gone"]) failing.delete(`${one} ${poller.id}`);
  if (kind) failing.add(`${kind} ${poller.id}`);
  sayTrouble();
}
document.addEventListener("htmx:sendError", (event) => notePoll(event, "away"));
document.addEventListener("htmx:timeout", (event) => notePoll(event, "away"));
document.addEventListener("htmx:responseError", (event) => {
  notePoll(event, event.detail.xhr.status >= 500 ? "away" : "gone");
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.isError) notePoll(event, "");
});

// How many rows are chosen stands beside the buttons, and in what they ask.
function chosen(name) {
  const all = document.querySelector(`[data-all-of="${name}"]`);
  if (all && all.checked) return Number(all.dataset.count);
  return document.querySelectorAll(`input[name="${name}"]:checked`).length;
}
function sayChosen() {
  for (const place of document.querySelectorAll("[data-chosen]")) {
    const count = chosen(place.dataset.chosen);
    place.textContent = count ? place.dataset.text.replace("{n}", count) : "";
  }
}
function questionOf(button) {
  if (!button || !button.dataset.confirm) return "";
  if (!button.dataset.of) return button.dataset.confirm;
  const count = chosen(button.dataset.of);
  return count && button.dataset.confirm.replace("{n}", count);
}

// What cannot be undone asks first; a second click on a sent form does nothing.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  const question = questionOf(button) || event.target.dataset.confirm;
  if (event.target.dataset.sent || (question && !window.confirm(question))) {
    event.preventDefault();
    return;
  }
  if (event.target.method === "post") event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  sayChosen();
});

// The box in a table's head ticks the boxes below it, and so does the one for all pages of a list;
// a row that is unticked is no longer all.
document.addEventListener("change", (event) => {
  const box = event.target;
  const below = box.dataset.tickAll || box.dataset.allOf;
  if (below) {
    for (const one of document.querySelectorAll(`input[name="${below}"]`)) one.checked = box.checked;
  }
  const name = box.dataset.tickAll || box.name;
  const all = document.querySelector(`[data-all-of="${name}"]`);
  if (all && !box.checked) all.checked = false;
  sayChosen();
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
