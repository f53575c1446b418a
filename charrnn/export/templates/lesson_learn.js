"use strict";
// Part 6 of the lesson: train a copy of the page's network, or a small network from random weights.

const MAX_PASSES = 20; // of the page's network over a text
const SMALL = { layers: 2, units: 64, seconds: 120, rate: 0.01 };
const MIN_CHARACTERS_PER_POINT = 40, MAX_POINTS = 150; // of the curve
const EXAMPLE = "the cat sat on the mat. the dog sat on the log. the hen sat on the pen. ".repeat(8);
const students = { trained: { net: lessonNet, learner, losses: [] }, small: null };

// A network with random weights for the characters of a text. It has the fields of a Network.
function makeSmallNetwork(text) {
  const vocabulary = [...new Set(Array.from(text))].sort();
  const { layers: L, units: H } = SMALL, G = 4 * H, V = vocabulary.length;
  const random = randomNumbers(1);
  const uniform = (count, scale) => Float32Array.from({ length: count }, () => scale * (2 * random() - 1));
  const biases_LG = new Float32Array(L * G);
  for (let n = 0; n < L; n++) biases_LG.fill(1, n * G + H, n * G + 2 * H); // of the forget gates
  const scales = (count) => new Float32Array(count).fill(1 / (127 * Math.sqrt(H)));
  return {
    vocabulary, layers: L, units: H, width: H, unit: 1, separator: null, matrixBytes: G * H,
    codeOf: new Map(vocabulary.map((character, code) => [character, code])),
    numbers: Int8Array.from(uniform((2 * L - 1) * G * H, 127)),
    recurrentScales_LG: scales(L * G), betweenScales_LG: scales((L - 1) * G),
    table_VG: uniform(V * G, 0.6), biases_LG, output_VH: uniform(V * H, 0.02), outputBias_V: new Float32Array(V),
  };
}

// The network that learns: the chosen one; a small one is made for the characters of the text.
function chooseStudent(text) {
  if (element("student").value === "trained") return students.trained;
  const characters = new Set(Array.from(text));
  const known = students.small?.net.network.codeOf;
  if (!known || [...characters].some((character) => !known.has(character))) {
    const net = new LearningNetwork(makeSmallNetwork(text), kernels, learning.segment);
    const settings = { ...learning, rate: SMALL.rate, pullBack: 0, priorUpdates: 0 };
    students.small = { net, learner: new Learner(net, settings, new Float32Array(0)), losses: [], seconds: 0 };
  }
  return students.small;
}

// The loss, in bits, of a guess that knows how often each code occurs.
function frequencyLoss(codes) {
  const counts = new Map();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / codes.length) * Math.log2(count / codes.length);
  return bits;
}

// Draw the loss, with fewer points if there are many.
function showLearning(losses, baseline) {
  const size = Math.ceil(losses.length / MAX_POINTS), points = [];
  for (let first = 0; first < losses.length; first += size) {
    const group = losses.slice(first, first + size);
    points.push(group.reduce((sum, loss) => sum + loss, 0) / group.length);
  }
  drawCurve(element("learning-curve"), points, {
    low: 0, high: Math.max(baseline, ...points, 1), level: baseline, width: 480, height: 150,
    numPoints: Math.max(20, points.length),
  }).setAttribute("aria-label", `loss in bits per character, now ${losses.at(-1).toFixed(2)}; dashed: ${baseline.toFixed(2)}`);
}

function showSample(id, net, which) {
  return generateText(id, {
    net, which, prompt: element("learn-prompt").value, length: SAMPLE_LENGTH, seed: 5,
    shown: (text) => { element(id).textContent = text; },
  });
}

async function learn() {
  const text = element("own-text").value, student = Array.from(text).length > 2 ? chooseStudent(text) : null;
  const codes = student ? encodeText(text, student.net.network) : [];
  if (codes.length < 3) {
    element("learn-note").textContent = `give a text of at least two characters that the network knows. ${describeUnknown(Array.from(text))}`;
    return;
  }
  const isSmall = student === students.small;
  if (isSmall && student.seconds >= SMALL.seconds) {
    element("learn-note").textContent = "this network has learned for two minutes: press Reset to start again";
    return;
  }
  if (student.text !== text) Object.assign(student, { text, losses: [] }); // a curve of one text
  const goesOn = startJob("learning");
  showSample("learn-before", student.net, "trained");
  startJob("learn-after");
  element("learn-after").textContent = "";
  const run = { numRead: 0, seconds: 0, sum: 0, count: 0, baseline: frequencyLoss(codes.slice(1)) };
  for (let pass = 1; isSmall ? student.seconds < SMALL.seconds : pass <= MAX_PASSES; pass++) {
    let state = null;
    for (let first = 0; first < codes.length - 1; first += learning.segment) {
      const start = performance.now();
      if (isSmall) student.learner.settings.rate = SMALL.rate * Math.max(0.1, 1 - student.seconds / SMALL.seconds);
      if (state) student.net.setState(state);
      else student.net.reset();
      const nats = student.learner.learn(codes.slice(first, first + learning.segment + 1));
      state = student.net.getState();
      run.sum += nats.reduce((sum, value) => sum + value, 0);
      run.count += nats.length;
      run.numRead += nats.length;
      const seconds = (performance.now() - start) / 1000;
      run.seconds += seconds;
      if (isSmall) student.seconds += seconds;
      if (run.count >= MIN_CHARACTERS_PER_POINT) addPoint(student.losses, run);
      if (!(await goesOn(() => showProgress(student, run, isSmall ? "" : `pass ${pass} of ${MAX_PASSES}, `)))) return;
    }
  }
  if (run.count) addPoint(student.losses, run);
  showProgress(student, run, "done: ");
  showSample("learn-after", student.net, "learned");
}

function addPoint(losses, run) {
  losses.push(run.sum / run.count / Math.LN2);
  run.sum = run.count = 0;
}

function showProgress({ net, text, losses, seconds }, { numRead, seconds: spent, baseline }, start) {
  const speed = Math.round(numRead / spent);
  const loss = losses.length ? `loss ${losses.at(-1).toFixed(2)} bits per character` : "loss: …";
  const left = seconds === undefined ? "" : `, ${Math.max(0, Math.round(SMALL.seconds - seconds))} seconds left`;
  element("learn-note").textContent = `${start}${numRead.toLocaleString("en")} characters learned, ${speed} per second${left}; ` +
    `${loss}, ${baseline.toFixed(2)} for guessing by frequency. ${describeUnknown(Array.from(text), net.network.codeOf, net.network.separator)}`;
  if (losses.length) showLearning(losses, baseline);
}

function stopLearning() {
  startJob("learning");
  const student = students[element("student").value];
  if (!student?.losses.length) return;
  element("learn-note").textContent = element("learn-note").textContent.replace(/^(stopped: |done: )?/, "stopped: ");
  showSample("learn-after", student.net, "learned");
}

function resetLearning() {
  clearLearning("the network has forgotten what it learned here");
  if (element("student").value === "small") {
    students.small = null;
  } else {
    learner.forget();
    students.trained.losses = [];
  }
}

// End all jobs of this part, and remove what they have shown.
function clearLearning(note) {
  for (const name of ["learning", "learn-before", "learn-after"]) startJob(name);
  for (const id of ["learning-curve", "learn-before", "learn-after"]) element(id).replaceChildren();
  element("learn-note").textContent = note;
}

const keepKnown = (text) => Array.from(text).filter((character) => codeOf.has(character)).join("");
element("own-text").value = keepKnown(EXAMPLE);
element("learn-prompt").value = keepKnown("the ");
element("learn-prompt").addEventListener("input", later(() => {
  const student = students[element("student").value];
  if (!student?.losses.length) return;
  showSample("learn-before", student.net, "trained");
  showSample("learn-after", student.net, "learned");
}));
element("learn").addEventListener("click", learn);
element("learn-stop").addEventListener("click", stopLearning);
element("learn-reset").addEventListener("click", resetLearning);
element("student").addEventListener("change", () => clearLearning(""));
makeLessonText().then(showClamped);
