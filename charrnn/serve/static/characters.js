// A text in which each character is an element. Only one character is a tab stop; the arrow keys
// move between characters.

import { create } from "./dom.js";
import { hideTip, showTip } from "./tip.js";

export class CharacterText {
  // `describe(index)` returns a sentence about a character. With `onActivate(index, element)`,
  // characters are buttons.
  constructor(container, { describe, onActivate = null }) {
    Object.assign(this, { container, describe, onActivate });
    container.classList.add("characters");
    for (const type of ["keydown", "click", "focusin", "focusout", "pointerover", "pointerleave"]) {
      container.addEventListener(type, (event) => this[`on_${type}`](event));
    }
    this.clear();
  }

  get length() {
    return this.elements.length;
  }

  // Remove all characters. `prefix` is shown before the first one; it is not part of the text.
  clear(prefix = "") {
    this.elements = [];
    this.indexOf = new WeakMap();
    this.current = 0; // the tab stop
    this.line = create("div");
    this.container.replaceChildren(this.line);
    if (prefix) this.line.append(create("span", { className: "prefix", textContent: prefix }));
  }

  // Each line is a block of its own, so that the browser computes the layout of the last one only.
  append(characters, classes) {
    characters.forEach((character, offset) => {
      const element = create("i", { textContent: character, className: classes[offset] ?? "" });
      if (character === "\n") element.dataset.break = "";
      element.tabIndex = this.elements.length === this.current ? 0 : -1;
      this.indexOf.set(element, this.elements.length);
      this.elements.push(element);
      this.line.append(element);
      if (character === "\n") this.container.append(this.line = create("div"));
    });
  }

  setClasses(classes) {
    this.elements.forEach((element, index) => { element.className = classes[index] ?? ""; });
  }

  focus(index) {
    const element = this.elements[Math.max(0, Math.min(this.length - 1, index))];
    element?.focus();
  }

  find(event) {
    return this.indexOf.get(event.target);
  }

  on_focusin(event) {
    const index = this.find(event);
    if (index === undefined) return;
    this.elements[this.current]?.setAttribute("tabindex", "-1");
    this.current = index;
    const text = this.describe(index);
    event.target.tabIndex = 0;
    event.target.role = this.onActivate ? "button" : "img";
    event.target.setAttribute("aria-label", text);
    if (event.target.matches(":focus-visible")) showTip(event.target, text);
  }

  on_focusout(event) {
    event.target.removeAttribute("role");
    event.target.removeAttribute("aria-label");
    hideTip();
  }

  on_pointerover(event) {
    const index = this.find(event);
    if (index === undefined || event.pointerType === "touch") hideTip();
    else showTip(event.target, this.describe(index));
  }

  on_pointerleave() {
    hideTip();
  }

  on_click(event) {
    const index = this.find(event);
    if (index === undefined || !getSelection().isCollapsed) return;
    event.target.focus();
    if (this.onActivate) this.onActivate(index, event.target);
    else showTip(event.target, this.describe(index));
  }

  on_keydown(event) {
    const index = this.find(event);
    if (index === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = {
      ArrowRight: () => this.focus(index + 1),
      ArrowLeft: () => this.focus(index - 1),
      ArrowDown: () => this.focus(this.findOnNextLine(index, 1)),
      ArrowUp: () => this.focus(this.findOnNextLine(index, -1)),
      Home: () => this.focus(0),
      End: () => this.focus(this.length - 1),
    }[event.key];
    const isActivation = this.onActivate && (event.key === "Enter" || event.key === " ");
    if (move) move();
    else if (isActivation) this.onActivate(index, event.target);
    else return;
    event.preventDefault();
  }

  // Return the index of the character below (direction 1) or above (-1) in the next visible line.
  findOnNextLine(index, direction) {
    const { left, top } = startOf(this.elements[index]);
    let best = index, lineTop = null, distance = Infinity;
    for (let k = index + direction; k >= 0 && k < this.length; k += direction) {
      const box = startOf(this.elements[k]);
      if (Math.abs(box.top - top) < 2) continue; // still in the same line
      lineTop ??= box.top;
      if (Math.abs(box.top - lineTop) >= 2) break;
      if (Math.abs(box.left - left) < distance) [best, distance] = [k, Math.abs(box.left - left)];
    }
    return best;
  }
}

// Return the box of the first line of a character; a line break can have several.
function startOf(element) {
  return element.getClientRects()[0] ?? element.getBoundingClientRect();
}
