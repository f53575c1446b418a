"use strict";
// Part 5 of the lesson: clamp a unit.

const SAMPLE_LENGTH = 240;
let clampSeed = 11;

// A change of `forward` that holds a unit's activity at a value, as `charrnn neurons --clamp` does.
function clampUnit({ layer, number }, value) {
  return (n, hidden_H, gates_G) => {
    if (n === layer) hidden_H[number] = value * gates_G[3 * network.units + number];
  };
}

function showClamped() {
  const unit = findLessonUnit(), value = readNumber("clamp-value");
  element("clamp-value-shown").value = value.toFixed(2);
  if (!unit) return;
  const change = clampUnit(unit, value);
  const settings = { prompt: element("clamp-prompt").value, length: SAMPLE_LENGTH, seed: clampSeed };
  const show = (id) => (text) => { element(id).textContent = text; };
  generateText("clamp-without", { ...settings, shown: show("clamp-without") });
  generateText("clamp-with", { ...settings, change, shown: show("clamp-with") });
}

element("clamp-value").addEventListener("input", later(showClamped, 80));
element("clamp-prompt").addEventListener("input", later(showClamped));
element("clamp-again").addEventListener("click", () => { clampSeed++; showClamped(); });
