"use strict";
// What the parts of the lesson share: the network, its text, random numbers, bars and curves.

const MAX_TEXT = 200; // characters of the text of parts 1 to 4
const kernels = decodeBytes("kernels"), learning = JSON.parse(element("learning").textContent);
if (!WebAssembly.validate(kernels)) {
  element("lesson").textContent = "The lesson needs a browser with WebAssembly vectors.";
  throw new Error(element("lesson").textContent);
}
const lessonNet = new LearningNetwork(network, kernels, learning.segment);
const learner = new Learner(lessonNet, learning, new Float32Array(decodeBytes("squares").buffer));
network.codeOf = codeOf;
const lesson = { text: [], steps: [], updates: [] };

// Random numbers from 0 to 1, the same for the same seed (the generator Mulberry32).
function randomNumbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let bits = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
}

// The probabilities from which a character is drawn: temperature, top-p, min-p, in this order. Min-p
// keeps at least two characters.
function filterProbabilities(logits, temperature, topP, minP) {
  const highest = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const unfiltered = weights.map((weight) => weight / sum);
  const order = [...unfiltered.keys()].sort((a, b) => unfiltered[b] - unfiltered[a]);
  const kept = new Set();
  let before = 0;
  for (const code of order) {
    const isLikely = kept.size < 2 || unfiltered[code] >= minP * unfiltered[order[0]];
    if (before >= topP || !isLikely) break;
    kept.add(code);
    before += unfiltered[code];
  }
  const filtered = unfiltered.map((p, code) => (kept.has(code) ? p / before : 0));
  return { unfiltered, filtered, order };
}

function drawCode(probabilities, random) {
  let rest = random();
  const code = probabilities.findIndex((p) => (rest -= p) < 0);
  return code < 0 ? probabilities.indexOf(Math.max(...probabilities)) : code;
}

// Jobs run in pieces that leave the page responsive; a newer job of the same name ends an older one.
const newestJobs = {};
function startJob(name) {
  const number = newestJobs[name] = (newestJobs[name] ?? 0) + 1;
  let start = performance.now();
  // The function returns a promise of whether the job continues. If a frame is due, it calls `show`
  // and waits for the frame first.
  return async (show = null) => {
    if (performance.now() - start >= MILLISECONDS_PER_FRAME) {
      if (show && newestJobs[name] === number) show();
      await new Promise(requestAnimationFrame);
      start = performance.now();
    }
    return newestJobs[name] === number;
  };
}

// Read codes from the initial state, or from `state`, a few at a time; return the steps and the state.
async function readCodes(codes, goesOn, { net = lessonNet, which = "trained", change = null, state = null } = {}) {
  const steps = [], size = 4;
  for (let first = 0; first < codes.length; first += size) {
    if (!(await goesOn())) return null;
    const part = codes.slice(first, first + size);
    if (state) net.setState(state);
    else net.reset();
    net.forward(part, which, change);
    for (let t = 0; t < part.length; t++) steps.push(net.getStep(t));
    net.carryState(part.length);
    state = net.getState();
  }
  return { steps, state };
}

const defaultOf = (id) => Number(element(id).defaultValue); // of a control at the top of the page

// Continue a prompt with the default settings, and show the text as it grows; the same seed draws with the same numbers.
async function generateText(name, { prompt, length, seed, shown, net = lessonNet, which = "trained", change = null }) {
  const goesOn = startJob(name), random = randomNumbers(seed), { network } = net;
  let text = prompt, result = await readCodes(encodeText(prompt, network), goesOn, { net, which, change });
  for (let n = 0; n < length && result; n++) {
    const { filtered } = filterProbabilities(result.steps.at(-1).logits, defaultOf("temperature"), 1, defaultOf("min-p"));
    const code = drawCode(filtered, random);
    if (code === network.separator) break;
    text += network.vocabulary[code];
    shown(text);
    result = await readCodes([code], goesOn, { net, which, change, state: result.state });
  }
  return result !== null;
}

// The codes of a text, after a code that precedes a document or a line. Unknown characters are left out.
function encodeText(text, { codeOf, separator } = network) {
  const known = Array.from(text).filter((character) => canRead(character, codeOf, separator));
  const before = separator ?? codeOf.get("\n") ?? 0;
  return [before, ...known.map((character) => codeOf.get(character))];
}

const showCharacter = (character) => ({ "\n": "↵", " ": "␣", "\t": "⇥", "\r": "␍" })[character] ?? character;
const percent = (p) => (p >= 0.0995 ? `${Math.round(100 * p)}%` : `${(100 * p).toFixed(p >= 0.0095 ? 1 : 2)}%`);
const addElement = (parent, name, text = "", className = "") => {
  const added = document.createElement(name);
  added.textContent = text;
  if (className) added.className = className;
  parent.append(added);
  return added;
};

// Show a bar for each of `rows`: {character, p, isCut, isChosen}.
function showBars(parent, rows, withNumbers = true) {
  parent.replaceChildren();
  for (const { character, p, isCut, isChosen } of rows) {
    addElement(parent, "b", showCharacter(character), isChosen ? "chosen" : "");
    const bar = addElement(addElement(parent, "div"), "span", "", isCut ? "cut" : "");
    bar.style.display = "block";
    bar.style.width = `${Math.max(0.5, 100 * p)}%`;
    if (withNumbers) addElement(parent, "div", percent(p), isCut ? "cut" : "");
  }
}

function addSvg(parent, name, attributes) {
  const added = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) added.setAttribute(key, value);
  parent.append(added);
  return added;
}

// Draw a line through values; `marked` is a position to mark, `level` a height for a dashed line.
function drawCurve(parent, values, { low, high, width = 300, height = 80, marked = null, level = null, numPoints = values.length }) {
  parent.replaceChildren();
  const svg = addSvg(parent, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const x = (n) => 28 + ((width - 34) * n) / Math.max(1, numPoints - 1);
  const y = (value) => 6 + ((height - 12) * (high - value)) / (high - low);
  for (const value of [low, high]) {
    addSvg(svg, "line", { class: "axis", x1: 28, x2: width - 6, y1: y(value), y2: y(value) });
    addSvg(svg, "text", { x: 24, y: y(value) + 3, "text-anchor": "end" }).textContent = Number(value.toFixed(1));
  }
  if (level !== null) addSvg(svg, "line", { class: "other", x1: 28, x2: width - 6, y1: y(level), y2: y(level) });
  addSvg(svg, "polyline", { class: "line", points: values.map((value, n) => `${x(n)},${y(Math.min(high, Math.max(low, value)))}`).join(" ") });
  if (marked !== null) addSvg(svg, "line", { class: "now", x1: x(marked), x2: x(marked), y1: 4, y2: height - 4 });
  return svg;
}

// Show the characters of the text; `describe(span, t)` prepares each one.
function showText(parent, describe) {
  parent.replaceChildren();
  return lesson.text.map((character, t) => {
    const span = addElement(parent, "i", character === "\n" ? "↵\n" : character);
    describe(span, t);
    return span;
  });
}

// Read the text of parts 1 to 4. `lesson.text` has its characters and `lesson.steps` one step more:
// step t has what the network computed before character t, and the last one what it computed after all.
async function readLessonText() {
  const typed = Array.from(element("lesson-text").value).slice(0, MAX_TEXT);
  const text = typed.filter((character) => canRead(character));
  element("lesson-note").textContent = "reading the text";
  const result = await readCodes(encodeText(text.join("")), startJob("reading"));
  if (!result) return;
  element("lesson-note").textContent = describeUnknown(typed);
  Object.assign(lesson, { text, steps: result.steps });
  for (const update of lesson.updates) update();
}

let lessonSeed = 7;
async function makeLessonText() {
  const shown = (text) => { // it ends with a word, so that many characters may follow
    element("lesson-text").value = text.trimStart().replace(/(\s)\S*$/, "$1");
  };
  if (await generateText("lesson", { prompt: "", length: 130, seed: lessonSeed++, shown })) readLessonText();
}

const later = (action, milliseconds = 200) => {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(action, milliseconds); };
};
element("lesson-text").addEventListener("input", () => { startJob("lesson"); }); // no text is generated over it
element("lesson-text").addEventListener("input", later(readLessonText));
element("lesson-another").addEventListener("click", makeLessonText);
