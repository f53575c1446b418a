"use strict";
// An LSTM of 8-bit weights, read character by character: the arithmetic of charrnn's writer for one
// text, rounded as it rounds, so that both write the same.
// Suffixes: V characters of the vocabulary, L layers, G gate rows (4H: i, f, g, o), H units.

const element = (id) => document.getElementById(id);
const bytesOf = (id) => Uint8Array.from(atob(element(id).textContent), (each) => each.charCodeAt(0));
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
const nearest = (x) => round(round(x + 12582912) - 12582912); // of two as near, the even one

class Network {
  constructor(model, weights, products) {
    Object.assign(this, model); // vocabulary, layers, units, width, unit, line_start, found
    const { layers: L, units: H, width } = this;
    const G = 4 * H, V = this.vocabulary.length;
    let at = 0;
    const floats = (count) => {
      const array = new Float32Array(weights.buffer.slice(at, at + 4 * count));
      at += 4 * count;
      return array;
    };
    this.table_VG = floats(V * G);
    this.biases_LG = floats(L * G);
    this.recurrentScales_LG = floats(L * G);
    this.betweenScales_LG = floats((L - 1) * G);
    this.output_VH = floats(V * H);
    this.outputBias_V = floats(V);
    const numbers = weights.subarray(at);
    const unitsAt = (numbers.length + 15) & ~15;
    const sumsAt = unitsAt + 2 * L * width;
    const memory = new WebAssembly.Memory({ initial: Math.ceil((sumsAt + 4 * G) / 65536) });
    new Uint8Array(memory.buffer).set(numbers);
    this.numbers = new Int8Array(memory.buffer, 0, numbers.length);
    this.hidden_L = Array.from({ length: L },
      (_, n) => new Int16Array(memory.buffer, unitsAt + 2 * n * width, width));
    this.sums_G = new Int32Array(memory.buffer, sumsAt, G);
    this.matrixBytes = G * width;
    this.cells_LH = new Float32Array(L * H);
    this.gates_G = new Float32Array(G);
    this.activity = new Int8Array(L * H);
    this.multiply = this.plainProducts;
    if (products && WebAssembly.validate(products)) {
      const instance = new WebAssembly.Instance(
        new WebAssembly.Module(products), { page: { memory } });
      this.multiply = (matrix, units) => instance.exports.products(
        matrix * this.matrixBytes, units.byteOffset, sumsAt, G, width);
    }
  }

  // The sums of each row of a matrix with the units, where there is no vector code.
  plainProducts(matrix, units) {
    const { numbers, sums_G, width } = this;
    for (let g = 0, at = matrix * this.matrixBytes; g < sums_G.length; g++) {
      let sum = 0;
      for (let k = 0; k < width; k++, at++) sum = (sum + numbers[at] * units[k]) | 0;
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
        const taken = round(sigmoid(gates_G[j]) * tanh(gates_G[2 * H + j]));
        const kept = round(sigmoid(gates_G[H + j]) * cells_LH[n * H + j]);
        const cell = round(kept + taken);
        const shown = tanh(cell);
        cells_LH[n * H + j] = cell;
        this.activity[n * H + j] = Math.round(127 * shown);
        hidden_L[n][j] = nearest(round(round(sigmoid(gates_G[3 * H + j]) * shown) * this.unit));
      }
    }
  }

  logits() {
    const { units: H, output_VH, outputBias_V } = this;
    const last = this.hidden_L[this.layers - 1];
    return Array.from(outputBias_V, (bias, v) => {
      let sum = 0;
      for (let j = 0; j < H; j++) sum += output_VH[v * H + j] * last[j];
      return sum + bias;
    });
  }

  draw(temperature) {
    const logits = this.logits();
    const highest = Math.max(...logits);
    if (temperature === 0) return logits.indexOf(highest);
    const weights = logits.map((each) => Math.exp((each - highest) / temperature));
    let left = Math.random() * weights.reduce((sum, each) => sum + each, 0);
    const drawn = weights.findIndex((each) => (left -= each) < 0);
    return drawn < 0 ? logits.indexOf(highest) : drawn;
  }
}

const network = new Network(
  JSON.parse(element("model").textContent), bytesOf("weights"), bytesOf("products"));
const codeOf = new Map(network.vocabulary.map((character, code) => [character, code]));
const FRAME = 12; // milliseconds of work between two frames
const SHADES = 6;
let written = []; // {element, activity} for each character shown
let job = 0;

function shade(each) {
  const place = unitShown();
  const level = place === null ? 0 : Math.round((each.activity[place] / 127) * SHADES);
  each.element.className = place === null ? "" : (level < 0 ? "n" : "p") + Math.abs(level);
}

function unitShown() {
  const match = /^\s*(\d+):(\d+)\s*$/.exec(element("unit").value || element("found").value);
  if (!match) return null;
  const layer = Number(match[1]), number = Number(match[2]);
  const inside = layer >= 1 && layer <= network.layers && number >= 1 && number <= network.units;
  return inside ? (layer - 1) * network.units + number - 1 : null;
}

function show(character, isPrompt) {
  const each = { element: document.createElement("i"), activity: network.activity.slice() };
  each.element.textContent = character;
  if (isPrompt) each.element.dataset.prompt = "";
  shade(each);
  written.push(each);
  element("text").append(each.element);
}

// Return the codes to read before writing, and how many of them are not shown.
function beginning() {
  const prompt = Array.from(element("prompt").value);
  const unknown = [...new Set(prompt.filter((each) => !codeOf.has(each)))];
  element("note").textContent = unknown.length
    ? `left out, since the model does not know them: ${unknown.join(" ")}` : "";
  const codes = prompt.filter((each) => codeOf.has(each)).map((each) => codeOf.get(each));
  if (codes.length) return [codes, 0];
  const start = [codeOf.get("\n"), codeOf.get(network.line_start)].filter((each) => each !== undefined);
  return [start, start.length - 1];
}

function write() {
  const mine = ++job;
  const [codes, hidden] = beginning();
  const length = Math.max(1, Math.min(20000, Number(element("length").value) || 1));
  let read = 0, drawn = codes.length > hidden && hidden ? 1 : 0, spent = 0, steps = 0;
  written = [];
  element("text").replaceChildren();
  network.reset();
  delete element("text").dataset.done;

  function frame() {
    if (mine !== job) return;
    const begun = performance.now();
    while (performance.now() - begun < FRAME && (read < codes.length || drawn < length)) {
      const isPrompt = read < codes.length;
      const code = isPrompt ? codes[read++] : network.draw(Number(element("temperature").value));
      network.read(code);
      steps++;
      if (!isPrompt) drawn++;
      if (!isPrompt || read > hidden) show(network.vocabulary[code], isPrompt && !hidden);
    }
    spent += performance.now() - begun;
    element("speed").textContent = `${Math.round((1000 * steps) / spent)} characters a second`;
    if (read < codes.length || drawn < length) requestAnimationFrame(frame);
    else element("text").dataset.done = "";
  }
  frame();
}

function recolour() {
  const chosen = element("unit").value || element("found").value;
  element("key").hidden = unitShown() === null;
  if (element("unit").value && unitShown() === null) {
    element("note").textContent =
      `${chosen} is no unit: a layer from 1 to ${network.layers}, a number from 1 to ${network.units}`;
  } else {
    element("note").textContent = "";
  }
  written.forEach(shade);
}

let typing = 0;
element("prompt").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(write, 200);
});
element("temperature").addEventListener("input", () => {
  element("temperature-shown").value = Number(element("temperature").value).toFixed(2);
});
element("temperature").addEventListener("change", () => {
  if ("done" in element("text").dataset) write();
});
element("write").addEventListener("click", write);
element("stop").addEventListener("click", () => { job++; });
element("found").addEventListener("change", () => { element("unit").value = ""; recolour(); });
element("unit").addEventListener("input", recolour);
write();
