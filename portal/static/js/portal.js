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
