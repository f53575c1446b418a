"use strict";
// Parts 3 and 4 of the lesson: what the network remembers, and the calculation inside one unit.

const MAX_INFLUENCE_STEPS = 120;
let memorySpans = [], memoryPosition = 0;

function showMemoryText() {
  startJob("influence"); // an earlier one ends
  memorySpans = showText(element("memory-text"), (span, t) => { span.dataset.position = t; });
  element("memory-note").textContent = "";
  if (lesson.text.length) showInfluence(lesson.text.length - 1);
}

// Color the earlier characters by their influence on the prediction of the character at `position`.
async function showInfluence(position) {
  memoryPosition = position;
  element("memory-note").textContent = `computing the influence on ${showCharacter(lesson.text[position])}`;
  const goesOn = startJob("influence"), first = Math.max(0, position + 1 - MAX_INFLUENCE_STEPS);
  memorySpans.forEach((span, t) => {
    span.className = "";
    span.setAttribute("aria-current", String(t === position));
  });
  // Step t + 1 reads character t: the steps up to the position have read what is before it.
  const steps = lesson.steps.slice(first, position + 1), target = codeOf.get(lesson.text[position]);
  const influences = [];
  let largest = 0, t = position - 1;
  for (const influence of lessonNet.influences(steps, target)) {
    if (t >= 0) influences.push([influence, t]);
    largest = Math.max(largest, influence);
    if (t >= 0) memorySpans[t].className = `p${Math.min(6, Math.round(6 * Math.sqrt(influence / largest)))}`;
    t--;
    if (!(await goesOn())) return;
  }
  const strongest = influences.sort(([a], [b]) => b - a).slice(0, 3)
    .map(([, place]) => `${showCharacter(lesson.text[place])} (${position - place} before)`).join(", ");
  element("memory-note").textContent =
    `${showCharacter(lesson.text[position])} at position ${position + 1}: ${bitsOf(position).toFixed(1)} bits of surprise. ` +
    (strongest ? `The characters with the most influence: ${strongest}.` : "");
}

element("memory-text").addEventListener("pointerover", (event) => {
  const position = event.target.dataset.position;
  if (position !== undefined && Number(position) !== memoryPosition) showInfluence(Number(position));
});
element("memory-text").addEventListener("keydown", (event) => {
  const change = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -10, ArrowDown: 10 }[event.key];
  if (!change || !lesson.text.length) return;
  event.preventDefault();
  showInfluence(Math.min(lesson.text.length - 1, Math.max(0, memoryPosition + change)));
});

// The gates of a unit: name, symbol, place among the gate rows.
const GATES = [["forget gate", "f", 1], ["input gate", "i", 0], ["candidate", "g", 2], ["output gate", "o", 3]];
const STAGES = [["f", "i", "g"], ["c"], ["o", "h"]]; // the terms that one press of Step computes
const inside = { position: 0, stage: 0 };

// The selected unit {layer, number}, both counted from 0.
function findLessonUnit() {
  const match = /^\s*(\d+):(\d+)\s*$/.exec(element("inside-number").value || element("inside-unit").value);
  if (!match) return null;
  const layer = Number(match[1]) - 1, number = Number(match[2]) - 1;
  const exists = layer >= 0 && layer < network.layers && number >= 0 && number < network.units;
  return exists ? { layer, number } : null;
}

// The values of the unit at each step.
function readUnit({ layer, number }) {
  const H = network.units;
  return lesson.steps.map(({ gates_L, cells_L, hidden_L }) => {
    const [f, i, g, o] = GATES.map(([, , place]) => gates_L[layer][place * H + number]);
    return { i, f, g, o, c: cells_L[layer][number], h: hidden_L[layer][number] };
  });
}

function showInside() {
  const unit = findLessonUnit(), equations = element("inside-equations");
  equations.replaceChildren();
  element("inside-curves").replaceChildren();
  element("inside-number").setAttribute("aria-invalid", String(!unit));
  if (!unit || lesson.text.length === 0) {
    element("inside-text").replaceChildren();
    equations.textContent = unit ? "there is no text" : `give a layer from 1 to ${network.layers} and a number from 1 to ${network.units}, such as 1:1`;
    return;
  }
  const values = readUnit(unit), t = Math.min(inside.position, lesson.text.length - 1);
  const level = (value) => Math.round(6 * Math.tanh(value));
  showText(element("inside-text"), (span, n) => {
    const shown = level(values[n + 1].c);
    span.className = (shown < 0 ? "n" : "p") + Math.abs(shown);
    span.setAttribute("aria-current", String(n === t));
    span.dataset.position = n;
  });
  const now = values[t + 1], before = values[t], number = (value) => value.toFixed(2).replace("-", "−");
  const lines = [
    ["f", "forget gate  f = σ(W x + U h′ + b)", number(now.f)],
    ["i", "input gate   i = σ(W x + U h′ + b)", number(now.i)],
    ["g", "candidate    g = tanh(W x + U h′ + b)", number(now.g)],
    ["c", "cell         c = f × c′ + i × g", `${number(now.f)} × ${number(before.c)} + ${number(now.i)} × ${number(now.g)} = ${number(now.c)}`],
    ["o", "output gate  o = σ(W x + U h′ + b)", number(now.o)],
    ["h", "output       h = o × tanh(c)", `${number(now.o)} × ${number(Math.tanh(now.c))} = ${number(now.h)}`],
  ];
  const done = STAGES.slice(0, inside.stage + 1).flat();
  addElement(equations, "div", `unit ${unit.layer + 1}:${unit.number + 1} reads ${showCharacter(lesson.text[t])} (position ${t + 1})`, "faint");
  for (const [term, equation, value] of lines) {
    addElement(equations, "div", `${equation} = ${done.includes(term) ? value : "…"}`,
      STAGES[inside.stage].includes(term) ? "now" : "");
  }
  showCurves(values.slice(1), t);
}

function showCurves(values, marked) {
  const limit = Math.max(1, ...values.map(({ c }) => Math.abs(c)));
  const shown = [...GATES.map(([name, symbol]) => [name, symbol, symbol === "g" ? -1 : 0, 1]),
    ["cell", "c", -limit, limit], ["output", "h", -1, 1]];
  for (const [name, symbol, low, high] of shown) {
    const figure = addElement(element("inside-curves"), "figure");
    const drawing = addElement(figure, "div");
    drawCurve(drawing, values.map((value) => value[symbol]), { low, high, marked })
      .setAttribute("aria-label", `${name} over the text`);
    addElement(figure, "figcaption", `${name} ${symbol}`);
  }
}

function stepInside(change) {
  const stages = inside.position * STAGES.length + inside.stage + change;
  const last = lesson.text.length * STAGES.length - 1;
  const bounded = Math.min(Math.max(0, last), Math.max(0, stages));
  inside.position = Math.floor(bounded / STAGES.length);
  inside.stage = bounded % STAGES.length;
  showInside();
}

function restartInside() {
  Object.assign(inside, { position: 0, stage: 0 });
  showInside();
}

if (!element("inside-unit").options.length) { // no unit follows a feature, or none was searched for
  for (const name of ["1:1", `${network.layers}:1`]) addElement(element("inside-unit"), "option", name);
}
element("inside-text").addEventListener("click", (event) => {
  if (event.target.dataset.position === undefined) return;
  Object.assign(inside, { position: Number(event.target.dataset.position), stage: STAGES.length - 1 });
  showInside();
});
element("inside-text").addEventListener("keydown", (event) => {
  const change = { ArrowLeft: -STAGES.length, ArrowRight: STAGES.length }[event.key];
  if (!change) return;
  event.preventDefault();
  stepInside(change);
});
element("inside-step").addEventListener("click", () => stepInside(1));
element("inside-back").addEventListener("click", () => stepInside(-1));
for (const [id, name] of [["inside-unit", "change"], ["inside-number", "input"]]) {
  element(id).addEventListener(name, () => {
    if (id === "inside-unit") element("inside-number").value = "";
    showInside();
    showClamped();
  });
}
lesson.updates.push(showMemoryText, restartInside);
