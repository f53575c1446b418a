struct Forward {
    const long long* x_TB;
    const float* table_VG;  // input weights plus biases of the first layer
    const float* bias_LG;   // biases of all layers
    const Half* weight_hh_LGH;
    const Half* weight_ih_MGH;  // input weights of the layers above the first
    const float* between_MBH;   // factors between a layer's outputs and the next inputs; null: all 1
    Half* hidden_LTBH;          // T + 1 steps: [0] is read, the others are EMPTY and are written
    Half* inputs_MTBH;          // outputs times factors, if there are factors; EMPTY, then written
    float* cell_LTBH;           // T + 1 steps: [0] is read, the others are written
    float* gates_LTBG;          // activations for the backward kernel; null: not stored
    long long layers, steps;
};

// The biases and input terms of the four gates of a pair of units.
struct InputTerms {
    float2 gates[4];
};

typedef float2 Cells[TILES][PER_THREAD];

__device__ inline InputTerms load_input_terms(
    const Forward& a, int l, int t, int unit, const Element& element
) {
    InputTerms terms = {};
    if (!element.exists) return terms;
    const int column = unit + element.unit;
    const float* terms_G = a.bias_LG + l * GATES;
    if (l == 0) terms_G = a.table_VG + a.x_TB[t * STREAMS + element.stream] * GATES;
#pragma unroll
    for (int gate = 0; gate < 4; gate++) terms.gates[gate] = float2_at(terms_G + gate * HIDDEN + column);
    return terms;
}

__device__ inline void load_cells(
    Cells& cells, const Forward& a, int l, int t, int unit, int first
) {
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int n = 0; n < PER_THREAD; n++) {
            const Element element(first, tile, n);
            const long long state = (l * (a.steps + 1) + t) * STREAMS + element.stream;
            const float* cell_H = a.cell_LTBH + state * HIDDEN;
            if (element.exists) cells[tile][n] = float2_at(cell_H + unit + element.unit);
        }
}

// Add the partial sums of a pair of units; compute its gates, cells and outputs.
__device__ inline void update_pair(
    const Forward& a, float* partials, int l, int t, int unit, const Element& element,
    const InputTerms& terms, float2& cell
) {
    if (!element.exists) return;
    float2 sums[4];
#pragma unroll
    for (int gate = 0; gate < 4; gate++) {
        const float2 sum = sum_of_partials(partials, element.row, gate * UNITS + element.unit);
        sums[gate] = {sum.x + terms.gates[gate].x, sum.y + terms.gates[gate].y};
    }
    const float2 i = {sigmoid(sums[0].x), sigmoid(sums[0].y)};
    const float2 f = {sigmoid(sums[1].x), sigmoid(sums[1].y)};
    const float2 g = {tanh_of(sums[2].x), tanh_of(sums[2].y)};
    const float2 o = {sigmoid(sums[3].x), sigmoid(sums[3].y)};
    cell = {f.x * cell.x + i.x * g.x, f.y * cell.y + i.y * g.y};
    const float2 hidden = {o.x * tanh_of(cell.x), o.y * tanh_of(cell.y)};
    const int column = unit + element.unit;
    const long long step_row = (l * a.steps + t) * STREAMS + element.stream;
    const long long next = ((l * (a.steps + 1) + t + 1) * STREAMS + element.stream) * HIDDEN;
    publish((Pair*)(a.hidden_LTBH + next + column), to_pair(hidden));
    if (a.between_MBH && l + 1 < a.layers) {
        const long long factor_index = (l * STREAMS + element.stream) * HIDDEN + column;
        const float2 factor = float2_at(a.between_MBH + factor_index);
        publish(
            (Pair*)(a.inputs_MTBH + step_row * HIDDEN + column),
            to_pair({hidden.x * factor.x, hidden.y * factor.y})
        );
    }
    float2_at(a.cell_LTBH + next + column) = cell;
    if (a.gates_LTBG) {
        float* gates_G = a.gates_LTBG + step_row * GATES + column;
        float2_at(gates_G) = i;
        float2_at(gates_G + HIDDEN) = f;
        float2_at(gates_G + 2 * HIDDEN) = g;
        float2_at(gates_G + 3 * HIDDEN) = o;
    }
}

// Compute step t of layer l for the UNITS units that start at `unit` and the streams of the chunk that starts
// at `first`. Returns false after a timeout.
__device__ inline bool step_forward(
    const Forward& a, const uint4* weights, float* partials, int l, int t, int unit, int first,
    Cells& cells
) {
    InputTerms terms[TILES][PER_THREAD];
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int n = 0; n < PER_THREAD; n++)
            terms[tile][n] = load_input_terms(a, l, t, unit, Element(first, tile, n));
    if (!IS_SINGLE_CHUNK) load_cells(cells, a, l, t, unit, first);
    Sums sums = {};
    bool has_timed_out = false;
    if (l > 0) {
        const long long below = (l - 1) * (a.steps + 1) + t + 1, scaled = (l - 1) * a.steps + t;
        const Half* inputs_BH = a.between_MBH ? a.inputs_MTBH + scaled * STREAMS * HIDDEN
                                              : a.hidden_LTBH + below * STREAMS * HIDDEN;
        has_timed_out = !add_product(sums, weights + MATRIX, inputs_BH, HIDDEN, first);
    }
    const Half* hidden_BH = a.hidden_LTBH + (l * (a.steps + 1) + t) * STREAMS * HIDDEN;
    has_timed_out = !add_product(sums, weights, hidden_BH, HIDDEN, first) || has_timed_out;
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        __syncthreads();  // all threads have read the partial sums of the previous pass
        store_partials(partials, sums[tile]);
        if (__syncthreads_or(has_timed_out)) return false;
#pragma unroll
        for (int n = 0; n < PER_THREAD; n++)
            update_pair(a, partials, l, t, unit, Element(first, tile, n), terms[tile][n],
                        cells[tile][n]);
    }
    return true;
}

// Load the weights of all gates of a block's units into shared memory.
__device__ inline void load_gate_rows(uint4* weights, const Half* unit_H) {
#pragma unroll 4
    for (int index = threadIdx.x; index < MATRIX / 2; index += THREADS) {
        const int lane = index % 32, stretch = index / 32 % STRETCHES, tile = index / 32 / STRETCHES;
        auto row = [&](int column) {
            const long long gate_row = column / UNITS * HIDDEN + column % UNITS;
            return *(const uint4*)(unit_H + gate_row * HIDDEN + stretch * 32 + lane % 4 * 8);
        };
        const int column = tile * 16 + lane / 4;
        store_weights(weights + weights_index(tile, stretch, lane), row(column), row(column + 8));
    }
}

// Each block computes all gates of UNITS units of a layer.
extern "C" __global__ void __launch_bounds__(THREADS, 1) forward(Forward a) {
    SHARED(weights);
    float* partials = (float*)(weights + 2 * MATRIX);
    const int l = blockIdx.x / SLICES, unit = blockIdx.x % SLICES * UNITS;
    const long long rows = (long long)l * GATES + unit;
    load_gate_rows(weights, a.weight_hh_LGH + rows * HIDDEN);
    if (l > 0) load_gate_rows(weights + MATRIX, a.weight_ih_MGH + (rows - GATES) * HIDDEN);
    __syncthreads();
    Cells cells;
    if (IS_SINGLE_CHUNK) load_cells(cells, a, l, 0, unit, 0);
    for (int t = 0; t < a.steps; t++)
        for (int first = 0; first < STREAMS; first += CHUNK)
            if (!step_forward(a, weights, partials, l, t, unit, first, cells)) {
                const long long last = (l * (a.steps + 1) + a.steps) * STREAMS;
                return write_nan(a.hidden_LTBH + last * HIDDEN + unit, HIDDEN);
            }
}
