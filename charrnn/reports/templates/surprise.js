"use strict";
// The data: the vocabulary and, for each character shown, its bits and the most likely characters
// as code, probability in per mille, code, ...
const { vocabulary, bits, expected } = JSON.parse(document.getElementById("data").textContent);
const text = document.getElementById("text");
const tip = document.getElementById("tip");
const indexOf = new Map(Array.from(text.children, (element, index) => [element, index]));
const NAMES = { "\n": "line break", " ": "space", "\t": "tab" };

const name = (character) => NAMES[character] ?? character;
const percent = (perMille) => (perMille < 1 ? "<0.1" : (perMille / 10).toFixed(1)) + "%";

function showTip(element) {
  const index = indexOf.get(element);
  if (index === undefined) {
    tip.hidden = true;
    return;
  }
  const character = element.textContent === "↵\n" ? "\n" : element.textContent;
  const lines = [];
  if (bits[index] === null) {
    lines.push(`${name(character)}: the first character has no prediction`);
  } else {
    lines.push(`${name(character)}: ${bits[index].toFixed(2)} bits`, "expected:");
    const list = expected[index];
    for (let k = 0; k < list.length; k += 2) {
      lines.push(`${percent(list[k + 1]).padStart(6)}  ${name(vocabulary[list[k]])}`);
    }
  }
  tip.textContent = lines.join("\n");
  tip.hidden = false;
  const box = element.getBoundingClientRect();
  const left = Math.min(box.left, innerWidth - tip.offsetWidth - 8);
  const below = box.bottom + 6;
  const top = below + tip.offsetHeight < innerHeight ? below : box.top - tip.offsetHeight - 6;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

text.addEventListener("pointerover", (event) => showTip(event.target));
text.addEventListener("pointerleave", () => { tip.hidden = true; });
text.addEventListener("scroll", () => { tip.hidden = true; });
