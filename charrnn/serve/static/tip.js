// A small box next to an element, with more information about it.

import { find } from "./dom.js";

const MARGIN = 8; // pixels from the edges of the window

export function showTip(element, text) {
  const tip = find("tip");
  tip.textContent = text;
  tip.hidden = false;
  const box = element.getBoundingClientRect();
  const left = Math.min(box.left, innerWidth - tip.offsetWidth - MARGIN);
  const above = box.top - tip.offsetHeight - 6;
  tip.style.left = `${Math.max(MARGIN, left)}px`;
  tip.style.top = `${above > MARGIN ? above : box.bottom + 6}px`;
}

export function hideTip() {
  find("tip").hidden = true;
}

addEventListener("scroll", hideTip, { capture: true, passive: true });
