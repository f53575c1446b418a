"use strict";
// Parts 5 and 6 of the lesson: clamp a unit, and train a copy of the network in the page.

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

const MAX_PASSES = 20;
const EXAMPLE = "the cat sat on the mat. the dog sat on the log. the hen sat on the pen. ".repeat(8);
let learningLosses = [];

// The loss, in bits, of a guess that knows how often each code occurs.
function frequencyLoss(codes) {
  const counts = new Map();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / codes.length) * Math.log2(count / codes.length);
  return bits;
}

function showLearning(codes) {
  const baseline = frequencyLoss(codes.slice(1));
  const high = Math.max(baseline, ...learningLosses, 1);
  drawCurve(element("learning-curve"), learningLosses, {
    low: 0, high, level: baseline, width: 640, height: 160, numPoints: Math.max(20, learningLosses.length),
  }).setAttribute("aria-label", "loss in bits per character, over the characters learned");
}

function showSample(id, which) {
  return generateText(id, {
    prompt: element("learn-prompt").value, length: SAMPLE_LENGTH, seed: 5, which,
    shown: (text) => { element(id).textContent = text; },
  });
}

async function learn() {
  const codes = encodeText(element("own-text").value), { segment } = learner.settings;
  const note = element("learn-note");
  if (codes.length < 3) {
    note.textContent = "give a text first";
    return;
  }
  const goesOn = startJob("learning"), start = performance.now();
  showSample("learn-before", "trained");
  element("learn-after").textContent = "";
  let numRead = 0;
  for (let pass = 1; pass <= MAX_PASSES; pass++) {
    let state = null, losses = 0, count = 0;
    for (let first = 0; first < codes.length - 1; first += segment) {
      if (state) lessonNet.setState(state);
      else lessonNet.reset();
      const nats = learner.learn(codes.slice(first, first + segment + 1));
      state = lessonNet.getState();
      numRead += nats.length;
      losses += nats.reduce((sum, value) => sum + value, 0);
      count += nats.length;
      if (count >= 200 || first + segment >= codes.length - 1) {
        learningLosses.push(losses / count / Math.LN2);
        losses = count = 0;
        showLearning(codes);
      }
      const speed = Math.round((1000 * numRead) / (performance.now() - start));
      note.textContent = `pass ${pass} of ${MAX_PASSES}: ${numRead.toLocaleString("en")} characters learned, ` +
        `${speed} per second; loss ${learningLosses.at(-1)?.toFixed(2) ?? "…"} bits per character, ` +
        `${frequencyLoss(codes.slice(1)).toFixed(2)} for guessing by frequency`;
      await new Promise(requestAnimationFrame);
      if (!(await goesOn())) return;
    }
  }
  showSample("learn-after", "learned");
}

function stopLearning() {
  startJob("learning");
  if (learningLosses.length) showSample("learn-after", "learned");
}

function resetLearning() {
  startJob("learning");
  startJob("learn-after");
  learner.forget();
  learningLosses = [];
  for (const id of ["learning-curve", "learn-after"]) element(id).replaceChildren();
  element("learn-note").textContent = "the network is as it was trained";
}

const keepKnown = (text) => Array.from(text).filter((character) => codeOf.has(character)).join("");
element("own-text").value = keepKnown(EXAMPLE);
element("learn-prompt").value = keepKnown("the ");
element("learn").addEventListener("click", learn);
element("learn-stop").addEventListener("click", stopLearning);
element("learn-reset").addEventListener("click", resetLearning);
makeLessonText().then(showClamped);
