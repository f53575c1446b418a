"use strict";
// Part 5 of the lesson: clamp a unit.

const SAMPLE_LENGTH = 240;
let clampSeed = 11;

// A change of `forward` that holds a unit's activity at a value, as `charrnn neurons --force` does.
function clampUnit({ layer, number }, value) {
  return (n, hidden_H, gates_G) => {
    if (n === layer) hidden_H[number] = value * gates_G[3 * network.units + number];
  };
}

// Show both texts, and mark the first character in which they differ.
function showDifference(texts) {
  const [first, second] = ["clamp-without", "clamp-with"].map((id) => Array.from(texts[id] ?? ""));
  let same = 0;
  while (same < Math.min(first.length, second.length) && first[same] === second[same]) same++;
  for (const [id, text] of [["clamp-without", first], ["clamp-with", second]]) {
    element(id).replaceChildren(text.slice(0, same).join(""));
    if (same < first.length && same < second.length) addElement(element(id), "mark", text[same]);
    element(id).append(text.slice(same + 1).join(""));
  }
}

function showClamped() {
  const unit = findLessonUnit(), value = readNumber("clamp-value");
  element("clamp-value-shown").value = value.toFixed(2);
  for (const id of ["clamp-without", "clamp-with"]) startJob(id);
  element("clamp-note").textContent = unit ? describeUnknown(Array.from(element("clamp-prompt").value))
    : "select a unit in part 4 first";
  element("clamp-unit").textContent = unit ? `unit ${unit.layer + 1}:${unit.number + 1}` : "the unit";
  if (!unit) return;
  const change = clampUnit(unit, value);
  const settings = { prompt: element("clamp-prompt").value, length: SAMPLE_LENGTH, seed: clampSeed };
  const texts = {};
  const show = (id) => (text) => {
    texts[id] = text;
    showDifference(texts);
  };
  generateText("clamp-without", { ...settings, shown: show("clamp-without") });
  generateText("clamp-with", { ...settings, change, shown: show("clamp-with") });
}

element("clamp-value").addEventListener("input", later(showClamped, 80));
element("clamp-prompt").addEventListener("input", later(showClamped));
element("clamp-again").addEventListener("click", () => { clampSeed++; showClamped(); });
