"use strict";
// Updates the weights of a LearningNetwork, like dynamic evaluation in charrnn (`score --adapt`):
// gradients divided by their root mean square, and a decay toward the trained weights. The mean
// squares of a matrix are those of its rows and columns.
// Suffixes: T steps, R rows, K columns, V characters of the vocabulary, G gate rows.

const EPSILON = 1e-8; // keeps an update finite if all gradients of a weight have been zero

class Learner {
  // `settings` has segment, rate, pullBack, pullBackInterval and priorUpdates; `squares` the mean
  // squares of the training text's gradients, then their relative roots, or nothing.
  constructor(net, settings, squares) {
    Object.assign(this, { net, settings });
    const { layers: L, units: H, numGates: G, numCharacters: V } = net;
    let offset = 0;
    const read = (sizes) => sizes.map((size) => {
      offset += size;
      return squares.subarray(offset - size, offset);
    });
    const parameters = [];
    const add = (kind, n, rows, columns) => {
      parameters.push({ kind, n, sizes: columns ? [rows, columns] : [rows] });
    };
    for (let n = 0; n < L; n++) {
      add(n ? "between" : "table", n, G, n ? H : V);
      add("recurrent", n, G, H);
      add("bias", n, G);
    }
    add("output", L - 1, V, H);
    add("outputBias", L - 1, V);
    this.parameters = parameters;
    const hasSquares = squares.length > 0;
    this.prior = hasSquares ? settings.priorUpdates : 0;
    for (const parameter of parameters) {
      parameter.means = hasSquares
        ? read(parameter.sizes) : parameter.sizes.map((size) => new Float32Array(size));
    }
    for (const parameter of parameters) {
      parameter.ratios = hasSquares
        ? read(parameter.sizes) : parameter.sizes.map((size) => new Float32Array(size).fill(1));
    }
    this.forget();
  }

  // Undo all learning.
  forget() {
    this.net.forget();
    this.net.reset();
    this.numUpdates = 0;
    this.learnedCodes = new Set();
    for (const parameter of this.parameters) {
      parameter.sums = parameter.means.map((mean) => Float64Array.from(mean, (value) => value * this.prior));
    }
  }

  // Predict all codes of a window but the first, then learn from them; return the losses in nats.
  learn(window) {
    const codes = window.slice(0, -1), targets = window.slice(1);
    this.net.forward(codes, "learned");
    const losses = this.net.backward(targets, "learned");
    this.update(codes);
    this.net.carryState(codes.length);
    return losses;
  }

  update(codes) {
    const { net, settings } = this;
    this.numUpdates++;
    const pullBack = this.numUpdates % settings.pullBackInterval ? 0 : settings.pullBack;
    for (const code of codes) this.learnedCodes.add(code);
    for (const parameter of this.parameters) {
      const { kind, n } = parameter;
      const gradients_TR = kind.startsWith("output")
        ? [net.logitGradients, net.outputRows] : [net.gradients_L[n], net.numGates];
      if (kind === "table") this.updateTable(parameter, gradients_TR, codes, pullBack);
      else if (parameter.sizes.length === 1) this.updateBias(parameter, gradients_TR, codes.length, pullBack);
      else this.updateMatrix(parameter, gradients_TR, codes.length, pullBack);
    }
  }

  // Views of the T vectors of `size` numbers that start at an address.
  views([address, stride], size, count) {
    return Array.from({ length: count }, (_, t) => this.net.floats(address + 4 * t * stride, size));
  }

  updateMatrix(parameter, gradients, count, pullBack) {
    const { net } = this, { kind, n, sizes: [R, K] } = parameter;
    const { layers: L, width, rowFactors, columnFactors } = net;
    const number = { recurrent: n, between: L + n - 1, output: 2 * L - 1 }[kind];
    const inputs = { // the hidden units before each step, or those of the layer below
      recurrent: net.hidden_L[n], between: net.hidden_L[n - 1] + 4 * width, output: net.hidden_L[n] + 4 * width,
    }[kind];
    const gradients_TR = this.views(gradients, R, count);
    const inputs_TK = this.views([inputs, width], K, count);
    addMeanSquares(parameter.sums[0], gradients_TR, innerProducts(inputs_TK), K);
    addMeanSquares(parameter.sums[1], inputs_TK, innerProducts(gradients_TR), R);
    const { learned, trained, rows, columns } = net.matrices[number];
    const factors = [[rowFactors, rows], [columnFactors, columns]].map(
      ([address, size]) => net.floats(address, size).fill(0));
    if (pullBack) {
      factors[0].set(parameter.ratios[0].map((ratio) => pullBack * ratio));
      factors[1].set(parameter.ratios[1]);
      net.kernels.pull_back(learned, trained, rowFactors, columnFactors, rows, columns);
    }
    const [rowRoots, columnRoots] = this.roots(parameter);
    factors[0].set(rowRoots.map((root) => -this.settings.rate / root));
    factors[1].set(columnRoots.map((root) => 1 / root));
    net.kernels.update(learned, gradients[0], inputs, rowFactors, columnFactors, count, rows, columns);
  }

  // The root mean squares of all gradients: of a matrix, factors of its rows and of its columns.
  roots({ sums }) {
    const count = this.numUpdates + this.prior;
    const roots = sums.map((sum) => sum.map((value) => Math.sqrt(value / count) + EPSILON));
    if (sums.length > 1) {
      const mean = sums[0].reduce((total, value) => total + value, 0) / sums[0].length / count;
      roots[0] = roots[0].map((root) => root / (Math.sqrt(mean) + EPSILON));
    }
    return roots;
  }

  // The table has a row per character: it is the transposed matrix of the first layer's inputs.
  updateTable(parameter, gradients, codes, pullBack) {
    const { net } = this, [G, V] = parameter.sizes;
    const gradients_TG = this.views(gradients, G, codes.length);
    const isEqual = codes.map((code) => codes.map((other) => Number(code === other)));
    addMeanSquares(parameter.sums[0], gradients_TG, isEqual, V);
    const ofCode = new Map();
    codes.forEach((code, t) => {
      const sum = ofCode.get(code) ?? new Float64Array(G);
      for (let g = 0; g < G; g++) sum[g] += gradients_TG[t][g];
      ofCode.set(code, sum);
    });
    for (const [code, sum] of ofCode) {
      parameter.sums[1][code] += sum.reduce((total, value) => total + value * value, 0) / G;
    }
    const [rowRoots, columnRoots] = this.roots(parameter), [rowRatios, columnRatios] = parameter.ratios;
    const learned = net.learned.table_VG, trained = net.trained.table_VG;
    for (const code of pullBack ? this.learnedCodes : []) {
      for (let g = 0; g < G; g++) {
        const index = code * G + g, share = Math.min(1, pullBack * rowRatios[g] * columnRatios[code]);
        learned[index] += (trained[index] - learned[index]) * share;
      }
    }
    for (const [code, sum] of ofCode) {
      for (let g = 0; g < G; g++) {
        learned[code * G + g] -= (this.settings.rate * sum[g]) / (rowRoots[g] * columnRoots[code]);
      }
    }
  }

  // A layer has two biases that learn alike; the page has their sum.
  updateBias(parameter, gradients, count, pullBack) {
    const { net } = this, [size] = parameter.sizes;
    const isOutput = parameter.kind === "outputBias";
    const name = isOutput ? "outputBias_V" : "biases_LG", first = isOutput ? 0 : parameter.n * size;
    const learned = net.learned[name], trained = net.trained[name], [ratios] = parameter.ratios;
    const sum = new Float64Array(size);
    for (const gradients_R of this.views(gradients, size, count)) {
      for (let r = 0; r < size; r++) sum[r] += gradients_R[r];
    }
    for (let r = 0; r < size; r++) parameter.sums[0][r] += sum[r] * sum[r];
    const [roots] = this.roots(parameter), rate = this.settings.rate * (isOutput ? 1 : 2);
    for (let r = 0; r < size; r++) {
      const index = first + r;
      learned[index] += (trained[index] - learned[index]) * Math.min(1, pullBack * ratios[r]);
      learned[index] -= (rate * sum[r]) / roots[r];
    }
  }
}

// The inner products of all pairs of vectors.
function innerProducts(vectors_TR) {
  return vectors_TR.map((first, t) => vectors_TR.slice(0, t + 1).map((second) => {
    let sum = 0;
    for (let r = 0; r < first.length; r++) sum += first[r] * second[r];
    return sum;
  }));
}

// Add the mean squares of the rows of a gradient, the sum over steps of vectors_TR x others_TK, from
// the inner products of the others.
function addMeanSquares(sums_R, vectors_TR, products_TT, numOthers) {
  for (let t = 0; t < vectors_TR.length; t++) {
    for (let u = 0; u <= t; u++) {
      const weight = ((u < t ? 2 : 1) * products_TT[t][u]) / numOthers;
      const first = vectors_TR[t], second = vectors_TR[u];
      if (weight) for (let r = 0; r < sums_R.length; r++) sums_R[r] += weight * first[r] * second[r];
    }
  }
}
