"use strict";
// An LSTM with 8-bit weights that reads one character at a time. It rounds like the 8-bit sampling
// engine of charrnn, so that both compute the same probabilities.
// Suffixes: V characters of the vocabulary, L layers, G gate rows (4H: i, f, g, o), H units.

const element = (id) => document.getElementById(id);
const readNumber = (id) => Number(element(id).value);
const decodeBytes = (id) => Uint8Array.from(atob(element(id).textContent), (character) => character.charCodeAt(0));
const round = Math.fround;

const word = new Float32Array(1);
const wordBits = new Int32Array(word.buffer);
const SHIFT = round(1.5 * 2 ** 23 + 127);
const LOG2_E = round(1.4426950408889634);
const POWERS = [
  1.535336188319500e-4, 1.339887440266574e-3, 9.618437357674640e-3,
  5.550332471162809e-2, 2.402264791363012e-1, 6.931472028550421e-1, 1,
].map(round);

function exp2(x) {
  x = Math.min(126, Math.max(-126, x));
  const rounded = round(x + SHIFT);
  const r = round(x - round(rounded - SHIFT));
  let p = POWERS[0];
  for (let n = 1; n < POWERS.length; n++) p = round(round(p * r) + POWERS[n]);
  word[0] = rounded;
  wordBits[0] <<= 23;
  return round(p * word[0]);
}
const sigmoid = (x) => round(1 / round(1 + exp2(round(-LOG2_E * x))));
const tanh = (x) => round(round(2 / round(1 + exp2(round(round(-2 * LOG2_E) * x)))) - 1);
const roundToInteger = (x) => round(round(x + 12582912) - 12582912); // ties go to the even number

class Network {
  constructor(model, weights, products) {
    Object.assign(this, model); // vocabulary, layers, units, width, unit, line_start, separator
    const { layers: L, units: H, width } = this;
    const G = 4 * H, V = this.vocabulary.length;
    let offset = 0;
    const floats = (count) => {
      const array = new Float32Array(weights.buffer.slice(offset, offset + 4 * count));
      offset += 4 * count;
      return array;
    };
    this.table_VG = floats(V * G);
    this.biases_LG = floats(L * G);
    this.recurrentScales_LG = floats(L * G);
    this.betweenScales_LG = floats((L - 1) * G);
    this.output_VH = floats(V * H);
    this.outputBias_V = floats(V);
    const numbers = weights.subarray(offset);
    const unitsOffset = (numbers.length + 15) & ~15;
    const sumsOffset = unitsOffset + 2 * L * width;
    const memory = new WebAssembly.Memory({ initial: Math.ceil((sumsOffset + 4 * G) / 65536) });
    new Uint8Array(memory.buffer).set(numbers);
    this.numbers = new Int8Array(memory.buffer, 0, numbers.length);
    this.hidden_L = Array.from({ length: L },
      (_, n) => new Int16Array(memory.buffer, unitsOffset + 2 * n * width, width));
    this.sums_G = new Int32Array(memory.buffer, sumsOffset, G);
    this.matrixBytes = G * width;
    this.cells_LH = new Float32Array(L * H);
    this.gates_G = new Float32Array(G);
    this.activity = new Int8Array(L * H);
    this.multiply = this.multiplyInScript;
    if (products && WebAssembly.validate(products)) {
      const instance = new WebAssembly.Instance(
        new WebAssembly.Module(products), { page: { memory } });
      this.multiply = (matrix, units) => instance.exports.products(
        matrix * this.matrixBytes, units.byteOffset, sumsOffset, G, width);
    }
  }

  // Multiply each row of a matrix with the units, without WebAssembly.
  multiplyInScript(matrix, units) {
    const { numbers, sums_G, width } = this;
    for (let g = 0, index = matrix * this.matrixBytes; g < sums_G.length; g++) {
      let sum = 0;
      for (let k = 0; k < width; k++, index++) sum = (sum + numbers[index] * units[k]) | 0;
      sums_G[g] = sum;
    }
  }

  reset() {
    for (const units of this.hidden_L) units.fill(0);
    this.cells_LH.fill(0);
  }

  read(code) {
    const { layers: L, units: H, hidden_L, sums_G, gates_G, cells_LH } = this;
    const G = 4 * H;
    for (let n = 0; n < L; n++) {
      const layer = n * G;
      this.multiply(n, hidden_L[n]);
      for (let g = 0; g < G; g++) {
        const product = round(this.recurrentScales_LG[layer + g] * round(sums_G[g]));
        gates_G[g] = this.biases_LG[layer + g] + product;
      }
      if (n) {
        this.multiply(L + n - 1, hidden_L[n - 1]);
        for (let g = 0; g < G; g++) {
          gates_G[g] += round(this.betweenScales_LG[layer - G + g] * round(sums_G[g]));
        }
      } else {
        for (let g = 0; g < G; g++) gates_G[g] += this.table_VG[code * G + g];
      }
      for (let j = 0; j < H; j++) {
        const added = round(sigmoid(gates_G[j]) * tanh(gates_G[2 * H + j]));
        const retained = round(sigmoid(gates_G[H + j]) * cells_LH[n * H + j]);
        const cell = round(retained + added);
        const activity = tanh(cell);
        cells_LH[n * H + j] = cell;
        this.activity[n * H + j] = Math.round(127 * activity);
        hidden_L[n][j] = roundToInteger(round(round(sigmoid(gates_G[3 * H + j]) * activity) * this.unit));
      }
    }
  }

  computeLogits() {
    const { units: H, output_VH, outputBias_V } = this;
    const last = this.hidden_L[this.layers - 1];
    return Array.from(outputBias_V, (bias, v) => {
      let sum = 0;
      for (let j = 0; j < H; j++) sum += output_VH[v * H + j] * last[j];
      return sum + bias;
    });
  }

  // Return the weights (V) of the next character: temperature, then min-p, which keeps at least two.
  // The highest weight is 1.
  weigh(logits, temperature, minP) {
    const highest = Math.max(...logits);
    const weights = logits.map((logit) => Math.exp((logit - highest) / temperature));
    const mostLikely = logits.indexOf(highest);
    const second = weights.reduce((most, weight, v) => (v === mostLikely ? most : Math.max(most, weight)), 0);
    return weights.map((weight) => (weight >= Math.min(minP, second) ? weight : 0));
  }

  draw(temperature, minP) {
    const logits = this.computeLogits();
    const mostLikely = logits.indexOf(Math.max(...logits));
    if (temperature === 0) return mostLikely;
    const weights = this.weigh(logits, temperature, minP);
    let rest = Math.random() * weights.reduce((sum, weight) => sum + weight, 0);
    const code = weights.findIndex((weight) => (rest -= weight) < 0);
    return code < 0 ? mostLikely : code;
  }
}

const network = new Network(
  JSON.parse(element("model").textContent), decodeBytes("weights"), decodeBytes("products"));
const codeOf = new Map(network.vocabulary.map((character, code) => [character, code]));
const MILLISECONDS_PER_FRAME = 12; // of work
const SHADES = 6;
let shownCharacters = []; // {element, activity} of each character in the text
let currentJob = 0; // the number of the newest job; earlier jobs stop

function shade(shown) {
  const unit = findSelectedUnit();
  const level = unit === null ? 0 : Math.round((shown.activity[unit] / 127) * SHADES);
  shown.element.className = unit === null ? "" : (level < 0 ? "n" : "p") + Math.abs(level);
}

function findSelectedUnit() {
  const match = /^\s*(\d+):(\d+)\s*$/.exec(element("unit").value || element("feature-unit").value);
  if (!match) return null;
  const layer = Number(match[1]), number = Number(match[2]);
  const exists = layer >= 1 && layer <= network.layers && number >= 1 && number <= network.units;
  return exists ? (layer - 1) * network.units + number - 1 : null;
}

function show(character, isPrompt) {
  const shown = { element: document.createElement("i"), activity: network.activity.slice() };
  shown.element.textContent = character;
  if (isPrompt) shown.element.dataset.prompt = "";
  shade(shown);
  shownCharacters.push(shown);
  element("text").append(shown.element);
}

const canRead = (character, known = codeOf, separator = network.separator) =>
  known.has(character) && known.get(character) !== separator;

// Return a note on the characters that a network does not read; "" if it reads all.
function describeUnknown(characters, known = codeOf, separator = network.separator) {
  const unknown = new Set(characters.filter((character) => !canRead(character, known, separator)));
  return unknown.size
    ? `these characters are skipped, because they are not in the model's vocabulary: ${[...unknown].join(" ")}` : "";
}

// Return the codes to read before generating, how many of them are not shown, and how many count
// as new characters.
function encodePrompt() {
  const prompt = Array.from(element("prompt").value);
  element("note").textContent = describeUnknown(prompt);
  const codes = prompt.filter((character) => canRead(character)).map((character) => codeOf.get(character));
  if (network.separator !== null) return [[network.separator, ...codes], 1, 0]; // a document
  if (codes.length) return [codes, 0, 0];
  const context = ["\n", "\x1c"].map((character) => codeOf.get(character)); // a new line, or document
  const start = [...context, codeOf.get(network.line_start)].filter((code) => code !== undefined);
  return [start, start.length - 1, 1];
}

function generate() {
  const job = ++currentJob;
  const [codes, numHidden, numStart] = encodePrompt();
  const length = Math.max(1, Math.min(20000, Number(element("length").value) || 1));
  // Without a prompt, the line start is shown and counts as the first new character.
  let numDrawn = numStart, numRead = 0, steps = 0, milliseconds = 0, hasEnded = false;
  shownCharacters = [];
  element("text").replaceChildren();
  network.reset();
  delete element("text").dataset.done;

  function frame() {
    if (job !== currentJob) return;
    const start = performance.now();
    const isUnfinished = () => !hasEnded && (numRead < codes.length || numDrawn < length);
    while (performance.now() - start < MILLISECONDS_PER_FRAME && isUnfinished()) {
      const isPrompt = numRead < codes.length;
      const code = isPrompt ? codes[numRead++] : network.draw(readNumber("temperature"), readNumber("min-p"));
      hasEnded = !isPrompt && code === network.separator;
      if (hasEnded) break;
      network.read(code);
      steps++;
      if (!isPrompt) numDrawn++;
      if (!isPrompt || numRead > numHidden) show(network.vocabulary[code], isPrompt && !numStart);
    }
    milliseconds += performance.now() - start;
    const speed = Math.round((1000 * steps) / milliseconds).toLocaleString("en");
    element("speed").textContent = `${speed} characters per second`;
    if (isUnfinished()) requestAnimationFrame(frame);
    else element("text").dataset.done = "";
  }
  frame();
}

function recolor() {
  const unitName = element("unit").value || element("feature-unit").value;
  element("key").hidden = findSelectedUnit() === null;
  if (element("unit").value && findSelectedUnit() === null) {
    element("note").textContent =
      `${unitName} is not a unit: give a layer from 1 to ${network.layers} and a number from 1 to ${network.units}, such as 1:1`;
  } else {
    element("note").textContent = describeUnknown(Array.from(element("prompt").value));
  }
  shownCharacters.forEach(shade);
}

let typingTimer = 0;
element("prompt").addEventListener("input", () => {
  clearTimeout(typingTimer);
  typingTimer = setTimeout(generate, 200);
});
for (const id of ["temperature", "min-p"]) {
  element(id).addEventListener("input", () => {
    element(`${id}-shown`).value = readNumber(id).toFixed(2);
  });
  element(id).addEventListener("change", () => {
    if ("done" in element("text").dataset) generate();
  });
}
element("generate").addEventListener("click", generate);
element("stop").addEventListener("click", () => { currentJob++; });
element("feature-unit").addEventListener("change", () => { element("unit").value = ""; recolor(); });
element("unit").addEventListener("input", recolor);
generate();
