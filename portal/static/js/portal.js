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
  if (event.target.method !== "post") return;
  event.target.dataset.sent = "yes";
  // A download leaves its page as it is: the next click but a double one is meant.
  if (button && "download" in button.dataset) {
    window.setTimeout(() => delete event.target.dataset.sent, 2000);
  }
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

// A shortcut fills in its days at once.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-first], button[data-month]");
  if (!button) return;
  let { first, last } = button.dataset;
  if (button.dataset.month) {
    const month = document.getElementById(button.dataset.month).value;
    if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(month)) return; // the server says what is missing
    const days = new Date(Number(month.slice(0, 4)), Number(month.slice(5)), 0).getDate();
    [first, last] = [`${month}-01`, `${month}-${days}`];
  }
  event.preventDefault();
  button.form.elements.date_from.value = first;
  button.form.elements.date_to.value = last;
});

// A long list to tick from shows what its filter finds, and how many are ticked.
document.addEventListener("input", (event) => {
  const picker = event.target.closest("[data-picker]");
  if (!picker) return;
  const filter = picker.querySelector("[data-picker-filter]").value.trim().toLowerCase();
  for (const label of picker.querySelectorAll("label")) {
    label.hidden = !label.textContent.toLowerCase().includes(filter);
  }
  const count = picker.querySelectorAll("input:checked").length;
  const told = picker.querySelector("[data-picked]");
  told.textContent = count ? told.dataset.picked.replace("{n}", count) : told.dataset.none;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("[data-picker-filter]")) event.preventDefault();
});

// The key "/" leads to the search in the page's head, as long as nobody is typing.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  const field = document.querySelector("[data-find]");
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing || !field) return;
  event.preventDefault();
  field.focus();
  field.select();
});
