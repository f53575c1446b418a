"use strict";
// An LSTM in float32 that computes gradients and learns. Its weights are the 8-bit weights of the
// page. The gradients are those of the mean loss of the steps.
// Suffixes: T steps, V characters of the vocabulary, L layers, G gate rows (4H: i, f, g, o), H units.
// Matrices in the memory of WebAssembly have rows of a multiple of 4, columns of a multiple of 16.

class LearningNetwork {
  // `maxSteps` is the largest number of characters that are read at once.
  constructor(network, kernels, maxSteps) {
    Object.assign(this, {
      network, layers: network.layers, units: network.units, width: network.width,
      numCharacters: network.vocabulary.length,
    });
    this.numGates = 4 * this.units;
    const { layers: L, width, numGates: G, numCharacters: V } = this;
    const T = maxSteps;
    const outputRows = this.outputRows = (V + 3) & ~3;
    this.size = 0;
    const steps = (rows, count = T) => Array.from({ length: L }, () => this.reserve(count * rows));
    // Layer n has the matrix `recurrent` n and, above the first layer, the matrix `between` n - 1.
    this.matrices = [];
    for (let n = 0; n < 2 * L - 1; n++) this.matrices.push({ rows: G, columns: width });
    this.matrices.push({ rows: outputRows, columns: width });
    for (const matrix of this.matrices) {
      matrix.learned = this.reserve(matrix.rows * width);
      matrix.trained = this.reserve(matrix.rows * width);
    }
    this.gates_L = steps(G); // before and after the nonlinearities
    this.gradients_L = steps(G); // of the gates before the nonlinearities
    this.hidden_L = steps(width, T + 1); // the first row is the carried state
    this.hiddenGradients_L = steps(width);
    this.logits = this.reserve(T * outputRows);
    this.logitGradients = this.reserve(T * outputRows);
    this.rowFactors = this.reserve(Math.max(G, outputRows));
    this.columnFactors = this.reserve(width);
    const memory = new WebAssembly.Memory({ initial: Math.ceil(this.size / 65536) });
    this.buffer = memory.buffer;
    this.kernels = new WebAssembly.Instance(
      new WebAssembly.Module(kernels), { page: { memory } }).exports;
    this.cells_L = Array.from({ length: L }, () => new Float32Array((T + 1) * this.units));
    this.loadWeights();
    this.reset();
  }

  reserve(numFloats) {
    const start = this.size;
    this.size += 4 * ((numFloats + 3) & ~3);
    return start;
  }

  floats(address, count) {
    return new Float32Array(this.buffer, address, count);
  }

  // Restore the weights from those in 8 bits; each row is a matrix row times its scale.
  loadWeights() {
    const { network, layers: L, units: H, width, numGates: G } = this;
    this.matrices.slice(0, -1).forEach((matrix, number) => {
      const isRecurrent = number < L;
      const scales_LG = isRecurrent ? network.recurrentScales_LG : network.betweenScales_LG;
      const first = (isRecurrent ? number : number - L) * G;
      const target = this.floats(matrix.trained, G * width);
      const start = number * network.matrixBytes;
      for (let g = 0; g < G; g++) {
        const scale = scales_LG[first + g] * network.unit;
        for (let k = 0; k < H; k++) {
          target[g * width + k] = scale * network.numbers[start + g * width + k];
        }
      }
    });
    const output = this.floats(this.matrices.at(-1).trained, this.outputRows * width);
    for (let v = 0; v < this.numCharacters; v++) {
      for (let k = 0; k < H; k++) output[v * width + k] = network.output_VH[v * H + k] * network.unit;
    }
    this.trained = {
      table_VG: network.table_VG, biases_LG: network.biases_LG, outputBias_V: network.outputBias_V,
    };
    this.forget();
  }

  // Undo all learning.
  forget() {
    for (const { trained, learned, rows, columns } of this.matrices) {
      this.floats(learned, rows * columns).set(this.floats(trained, rows * columns));
    }
    this.learned = Object.fromEntries(
      Object.entries(this.trained).map(([name, array]) => [name, array.slice()]));
  }

  reset() {
    for (const hidden of this.hidden_L) this.floats(hidden, this.width).fill(0);
    for (const cells of this.cells_L) cells.fill(0, 0, this.units);
  }

  // Continue from the state after the last step of a segment of `count` steps.
  carryState(count) {
    this.hidden_L.forEach((hidden, n) => {
      this.floats(hidden, this.width).set(this.floats(hidden + 4 * count * this.width, this.width));
      this.cells_L[n].copyWithin(0, count * this.units, (count + 1) * this.units);
    });
  }

  getState() {
    return {
      hidden_L: this.hidden_L.map((hidden) => this.floats(hidden, this.width).slice()),
      cells_L: this.cells_L.map((cells) => cells.slice(0, this.units)),
    };
  }

  setState({ hidden_L, cells_L }) {
    this.hidden_L.forEach((hidden, n) => this.floats(hidden, this.width).set(hidden_L[n]));
    this.cells_L.forEach((cells, n) => cells.set(cells_L[n]));
  }

  // Copies of what `forward` has computed at a step, of all layers.
  getStep(t) {
    const { units: H, width, numGates: G } = this;
    return {
      gates_L: this.gates_L.map((gates) => this.floats(gates + 4 * t * G, G).slice()),
      cells_L: this.cells_L.map((cells) => cells.slice((t + 1) * H, (t + 2) * H)),
      hidden_L: this.hidden_L.map((hidden) => this.floats(hidden + 4 * (t + 1) * width, H).slice()),
      logits: this.logitsAt(t).slice(),
    };
  }

  // Read codes, from the carried state; compute the gates, cells, hidden states and logits of each
  // step. `change(n, hidden_H, gates_G)` may change the hidden units of a layer at each step.
  forward(codes, which = "trained", change = null) {
    const { layers: L, units: H, width, numGates: G, kernels } = this;
    const T = codes.length, { table_VG, biases_LG, outputBias_V } = this[which];
    for (let n = 0; n < L; n++) {
      const gates_TG = this.floats(this.gates_L[n], T * G);
      const biases_G = biases_LG.subarray(n * G, (n + 1) * G);
      for (let t = 0; t < T; t++) gates_TG.set(biases_G, t * G);
      if (n) {
        kernels.multiply(this.matrices[L + n - 1][which], this.hidden_L[n - 1] + 4 * width,
          this.gates_L[n], T, G, width);
      } else {
        codes.forEach((code, t) => {
          for (let g = 0; g < G; g++) gates_TG[t * G + g] += table_VG[code * G + g];
        });
      }
      for (let t = 0; t < T; t++) {
        kernels.multiply(this.matrices[n][which], this.hidden_L[n] + 4 * t * width,
          this.gates_L[n] + 4 * t * G, 1, G, width);
        const hidden_H = this.floats(this.hidden_L[n] + 4 * (t + 1) * width, H);
        const gates_G = gates_TG.subarray(t * G, (t + 1) * G);
        this.applyGates(gates_G, this.cells_L[n], t, hidden_H);
        if (change) change(n, hidden_H, gates_G);
      }
    }
    const rows = this.outputRows;
    const logits_TV = this.floats(this.logits, T * rows);
    for (let t = 0; t < T; t++) logits_TV.set(outputBias_V, t * rows);
    kernels.multiply(this.matrices.at(-1)[which], this.hidden_L[L - 1] + 4 * width,
      this.logits, T, rows, width);
    return T;
  }

  applyGates(gates_G, cells, t, hidden_H) {
    const H = this.units, old = t * H, next = old + H;
    for (let j = 0; j < H; j++) {
      const i = 1 / (1 + Math.exp(-gates_G[j])), f = 1 / (1 + Math.exp(-gates_G[H + j]));
      const g = Math.tanh(gates_G[2 * H + j]), o = 1 / (1 + Math.exp(-gates_G[3 * H + j]));
      cells[next + j] = f * cells[old + j] + i * g;
      hidden_H[j] = o * Math.tanh(cells[next + j]);
      gates_G[j] = i;
      gates_G[H + j] = f;
      gates_G[2 * H + j] = g;
      gates_G[3 * H + j] = o;
    }
  }

  logitsAt(t) {
    return this.floats(this.logits + 4 * t * this.outputRows, this.numCharacters);
  }

  // Compute the gradients of the mean loss of the targets after `forward`; return the losses in nats.
  backward(targets, which = "trained") {
    const T = targets.length, rows = this.outputRows;
    const losses = targets.map((target, t) => {
      const gradient = this.floats(this.logitGradients + 4 * t * rows, rows).fill(0);
      const probabilities = softmax(this.logitsAt(t));
      gradient.set(probabilities.map((probability) => probability / T));
      gradient[target] -= 1 / T;
      return -Math.log(probabilities[target]);
    });
    this.backpropagate(T, which);
    return losses;
  }

  // Compute the gradients of all gates from `logitGradients`.
  backpropagate(T, which) {
    const { layers: L, width, numGates: G, kernels } = this;
    for (const gradients of this.hiddenGradients_L) this.floats(gradients, T * width).fill(0);
    kernels.multiply_transposed(this.matrices.at(-1)[which], this.logitGradients,
      this.hiddenGradients_L[L - 1], T, this.outputRows, width);
    for (let n = L - 1; n >= 0; n--) {
      const cellGradients_H = new Float32Array(this.units);
      for (let t = T - 1; t >= 0; t--) {
        const cells = this.cells_L[n], H = this.units;
        differentiateGates(
          this.floats(this.gates_L[n] + 4 * t * G, G), cells.subarray(t * H, (t + 1) * H),
          cells.subarray((t + 1) * H, (t + 2) * H),
          this.floats(this.hiddenGradients_L[n] + 4 * t * width, H), cellGradients_H,
          this.floats(this.gradients_L[n] + 4 * t * G, G));
        if (t) {
          kernels.multiply_transposed(this.matrices[n][which], this.gradients_L[n] + 4 * t * G,
            this.hiddenGradients_L[n] + 4 * (t - 1) * width, 1, G, width);
        }
      }
      if (n) {
        kernels.multiply_transposed(this.matrices[L + n - 1][which], this.gradients_L[n],
          this.hiddenGradients_L[n - 1], T, G, width);
      }
    }
  }

  // The influence of codes on the probability of `target` after the last of them: for each step,
  // from the last one, the norm of the gradient of its logarithm by the one-hot input of the step.
  // `steps` are the results of `getStep`. No other step is kept in memory, so that the network may
  // be used for something else between two results.
  *influences(steps, target) {
    const { layers: L, units: H, width, numGates: G, kernels, outputRows } = this;
    const vectors = (size) => Array.from({ length: L }, () => new Float32Array(size));
    const cellGradients_LH = vectors(H);
    const hiddenGradients_LH = vectors(width);
    const add = (matrix, source, rows, values, sum) => {
      this.floats(source, rows).set(values);
      const product = this.floats(this.hiddenGradients_L[0], width).fill(0);
      kernels.multiply_transposed(matrix.trained, source, this.hiddenGradients_L[0], 1, rows, width);
      for (let k = 0; k < width; k++) sum[k] += product[k];
    };
    const logitGradients = new Float32Array(outputRows);
    logitGradients.set(softmax(steps.at(-1).logits).map((p, code) => (code === target ? 1 : 0) - p));
    add(this.matrices.at(-1), this.logitGradients, outputRows, logitGradients, hiddenGradients_LH[L - 1]);
    const zeros_H = new Float32Array(H);
    for (let t = steps.length - 1; t >= 0; t--) {
      const { gates_L, cells_L } = steps[t];
      let gradients_G = null;
      for (let n = L - 1; n >= 0; n--) {
        const old_H = t ? steps[t - 1].cells_L[n] : zeros_H;
        gradients_G = new Float32Array(G);
        differentiateGates(
          gates_L[n], old_H, cells_L[n], hiddenGradients_LH[n], cellGradients_LH[n], gradients_G);
        hiddenGradients_LH[n].fill(0);
        add(this.matrices[n], this.gradients_L[n], G, gradients_G, hiddenGradients_LH[n]);
        if (n) add(this.matrices[L + n - 1], this.gradients_L[n], G, gradients_G, hiddenGradients_LH[n - 1]);
      }
      yield this.normOfInputs(gradients_G);
    }
  }

  // The norm of the gradient by the one-hot input, from that of the first layer's gates.
  normOfInputs(gradients_G) {
    const { table_VG } = this.trained, G = this.numGates;
    let squares = 0;
    for (let v = 0; v < this.numCharacters; v++) {
      let sum = 0;
      for (let g = 0; g < G; g++) sum += table_VG[v * G + g] * gradients_G[g];
      squares += sum * sum;
    }
    return Math.sqrt(squares);
  }
}

function softmax(logits) {
  const highest = Math.max(...logits);
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - highest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

// Write the gradients of the gates before the nonlinearities of a layer at a step, from those of
// its hidden units and of its cells; turn the latter into those of the cells before the step.
function differentiateGates(gates_G, old_H, cells_H, hiddenGradients_H, cellGradients_H, gradients_G) {
  const H = old_H.length;
  for (let j = 0; j < H; j++) {
    const i = gates_G[j], f = gates_G[H + j], g = gates_G[2 * H + j], o = gates_G[3 * H + j];
    const activity = Math.tanh(cells_H[j]), gradient = hiddenGradients_H[j];
    const cell = cellGradients_H[j] + gradient * o * (1 - activity * activity);
    gradients_G[j] = cell * g * i * (1 - i);
    gradients_G[H + j] = cell * old_H[j] * f * (1 - f);
    gradients_G[2 * H + j] = cell * i * (1 - g * g);
    gradients_G[3 * H + j] = gradient * activity * o * (1 - o);
    cellGradients_H[j] = cell * f;
  }
}
