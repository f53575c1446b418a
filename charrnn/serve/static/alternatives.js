// The panel with the other likely characters at one position.

import { create, find } from "./dom.js";
import { formatPercent, nameCharacter, natsToBits } from "./format.js";

const GAP = 4; // pixels between a character and the panel
const MARGIN = 8; // pixels from the edges of the window

export class Alternatives {
  constructor() {
    this.panel = find("alternatives");
    this.list = find("alternatives-list");
    this.list.addEventListener("keydown", moveFocus);
  }

  // Show the panel below a character; call `onChoose(character)` if the user selects another one.
  open(anchor, { token, logprob, likely }, onChoose) {
    find("alternatives-title").textContent = `Instead of ${nameCharacter(token)}`;
    find("alternatives-note").textContent = explain(logprob, likely);
    const rows = [...likely];
    if (likely.length && logprob !== null && !likely.some(([character]) => character === token)) {
      rows.push([token, logprob]);
    }
    this.list.replaceChildren(...rows.map((row) => this.createRow(row, token, onChoose)));
    if (!this.panel.matches(":popover-open")) this.panel.showPopover();
    this.place(anchor);
    (this.list.querySelector("button:not([disabled])") ?? this.panel).focus();
  }

  createRow([character, logprob], token, onChoose) {
    const probability = Math.exp(logprob);
    const bar = create("span", { className: "bar" });
    bar.style.width = `${100 * probability}%`; // by script: the page allows no style attributes
    const isCurrent = character === token;
    const button = create("button", { type: "button", className: "alternative", disabled: isCurrent },
      create("span", { className: "character", textContent: nameCharacter(character) }),
      create("span", { className: "track", "aria-hidden": "true" }, bar),
      create("span", { className: "percent", textContent: formatPercent(probability) }));
    if (isCurrent) button.append(create("span", { className: "in-text", textContent: "in the text" }));
    button.addEventListener("click", () => {
      this.panel.hidePopover();
      onChoose(character);
    });
    return create("li", {}, button);
  }

  // Place the panel below the character, or above it; scroll if there is too little room.
  place(anchor) {
    const panel = this.panel, needed = panel.offsetHeight + GAP + MARGIN;
    const { top: start, bottom: end } = anchor.getBoundingClientRect();
    if (end + needed > innerHeight && start < needed) scrollBy({ top: start - 6 * MARGIN, behavior: "instant" });
    const box = anchor.getBoundingClientRect();
    const left = Math.min(box.left, document.documentElement.clientWidth - panel.offsetWidth - MARGIN);
    const lowest = innerHeight - panel.offsetHeight - MARGIN;
    const below = box.bottom + GAP, above = box.top - GAP - panel.offsetHeight;
    const top = below <= lowest ? below : above >= MARGIN ? above : Math.max(MARGIN, lowest);
    panel.style.left = `${Math.max(MARGIN, left) + scrollX}px`;
    panel.style.top = `${top + scrollY}px`;
  }
}

function explain(logprob, likely) {
  if (!likely.length) return "The model did not choose this character, so it has no prediction here.";
  const surprise = logprob === null ? "" : ` Surprise: ${natsToBits(-logprob).toFixed(2)} bits.`;
  return `Choose a character. The model then writes the rest again from here.${surprise}`;
}

function moveFocus(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...event.currentTarget.querySelectorAll("button:not([disabled])")];
  const index = buttons.indexOf(document.activeElement) + step;
  buttons[(index + buttons.length) % buttons.length].focus();
}
