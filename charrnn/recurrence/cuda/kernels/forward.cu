struct Forward {
    const long long* x_TB;
    const float* table_VG;  // the first layer's input weights, biases added
    const float* bias_LG;   // of the others
    const Half* weight_hh_LGH;
    const Half* weight_ih_MGH;  // of the layers above the first
    const float* between_MBH;   // factors of a layer's outputs as inputs of the next; null: all 1
    Half* hidden_LTBH;          // T + 1: [0] is read, the others are EMPTY and written
    Half* inputs_MTBH;          // the outputs times the factors, if there are factors; EMPTY
    float* cell_LTBH;           // T + 1: [0] is read, the others are written
    float* gates_LTBG;          // the activations, for the backward kernel; null: not wanted
    long long layers, steps;
};

// Biases and inputs of the four gates of a pair of units.
struct Start {
    float2 gates[4];
};

typedef float2 Cells[TILES][PER_THREAD];

__device__ inline Start load_start(
    const Forward& a, int l, int t, int unit, const Element& element
) {
    Start start = {};
    if (!element.exists) return start;
    const int column = unit + element.unit;
    const float* start_G = a.bias_LG + l * GATES;
    if (l == 0) start_G = a.table_VG + a.x_TB[t * STREAMS + element.stream] * GATES;
#pragma unroll
    for (int gate = 0; gate < 4; gate++) start.gates[gate] = two(start_G + gate * HIDDEN + column);
    return start;
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
            if (element.exists) cells[tile][n] = two(cell_H + unit + element.unit);
        }
}

// Add up the partial sums of a pair of units and compute its gates, cells and outputs.
__device__ inline void finish(
    const Forward& a, float* partials, int l, int t, int unit, const Element& element,
    const Start& start, float2& cell
) {
    if (!element.exists) return;
    float2 sums[4];
#pragma unroll
    for (int gate = 0; gate < 4; gate++) {
        const float2 sum = sum_of_partials(partials, element.row, gate * UNITS + element.unit);
        sums[gate] = {sum.x + start.gates[gate].x, sum.y + start.gates[gate].y};
    }
    const float2 i = {sigmoid(sums[0].x), sigmoid(sums[0].y)};
    const float2 f = {sigmoid(sums[1].x), sigmoid(sums[1].y)};
    const float2 g = {tanh_of(sums[2].x), tanh_of(sums[2].y)};
    const float2 o = {sigmoid(sums[3].x), sigmoid(sums[3].y)};
    cell = {f.x * cell.x + i.x * g.x, f.y * cell.y + i.y * g.y};
    const float2 hidden = {o.x * tanh_of(cell.x), o.y * tanh_of(cell.y)};
    const int column = unit + element.unit;
    const long long now = (l * a.steps + t) * STREAMS + element.stream;
    const long long next = ((l * (a.steps + 1) + t + 1) * STREAMS + element.stream) * HIDDEN;
    publish((Pair*)(a.hidden_LTBH + next + column), to_pair(hidden));
    if (a.between_MBH && l + 1 < a.layers) {
        const long long own = (l * STREAMS + element.stream) * HIDDEN + column;
        const float2 factor = two(a.between_MBH + own);
        publish(
            (Pair*)(a.inputs_MTBH + now * HIDDEN + column),
            to_pair({hidden.x * factor.x, hidden.y * factor.y})
        );
    }
    two(a.cell_LTBH + next + column) = cell;
    if (a.gates_LTBG) {
        float* gates_G = a.gates_LTBG + now * GATES + column;
        two(gates_G) = i;
        two(gates_G + HIDDEN) = f;
        two(gates_G + 2 * HIDDEN) = g;
        two(gates_G + 3 * HIDDEN) = o;
    }
}

// Compute step t of layer l, for the units from `unit` on and the streams of a chunk from `first` on.
// False where the numbers that it needs do not come.
__device__ inline bool step_forward(
    const Forward& a, const uint4* weights, float* partials, int l, int t, int unit, int first,
    Cells& cells
) {
    Start starts[TILES][PER_THREAD];
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int n = 0; n < PER_THREAD; n++)
            starts[tile][n] = load_start(a, l, t, unit, Element(first, tile, n));
    if (!IS_WHOLE) load_cells(cells, a, l, t, unit, first);
    Sums sums = {};
    bool is_lost = false;
    if (l > 0) {
        const long long below = (l - 1) * (a.steps + 1) + t + 1, scaled = (l - 1) * a.steps + t;
        const Half* inputs_BH = a.between_MBH ? a.inputs_MTBH + scaled * STREAMS * HIDDEN
                                              : a.hidden_LTBH + below * STREAMS * HIDDEN;
        is_lost = !add_product(sums, weights + MATRIX, inputs_BH, HIDDEN, first);
    }
    const Half* hidden_BH = a.hidden_LTBH + (l * (a.steps + 1) + t) * STREAMS * HIDDEN;
    is_lost = !add_product(sums, weights, hidden_BH, HIDDEN, first) || is_lost;
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        __syncthreads();  // the partial sums of the pass before have been read
        store_partials(partials, sums[tile]);
        if (__syncthreads_or(is_lost)) return false;
#pragma unroll
        for (int n = 0; n < PER_THREAD; n++)
            finish(a, partials, l, t, unit, Element(first, tile, n), starts[tile][n],
                   cells[tile][n]);
    }
    return true;
}

// Load the weights of all gates of a block's units into shared memory.
__device__ inline void load_gate_rows(uint4* weights, const Half* unit_H) {
#pragma unroll 4
    for (int place = threadIdx.x; place < MATRIX / 2; place += THREADS) {
        const int lane = place % 32, along = place / 32 % ALONG, tile = place / 32 / ALONG;
        auto row = [&](int column) {
            const long long gate_row = column / UNITS * HIDDEN + column % UNITS;
            return *(const uint4*)(unit_H + gate_row * HIDDEN + along * 32 + lane % 4 * 8);
        };
        const int column = tile * 16 + lane / 4;
        store_weights(weights + weights_place(tile, along, lane), row(column), row(column + 8));
    }
}

// Block: a layer and UNITS of its units, with all of their gates.
extern "C" __global__ void __launch_bounds__(THREADS, 1) forward(Forward a) {
    SHARED(weights);
    float* partials = (float*)(weights + 2 * MATRIX);
    const int l = blockIdx.x / SLICES, unit = blockIdx.x % SLICES * UNITS;
    const long long rows = (long long)l * GATES + unit;
    load_gate_rows(weights, a.weight_hh_LGH + rows * HIDDEN);
    if (l > 0) load_gate_rows(weights + MATRIX, a.weight_ih_MGH + (rows - GATES) * HIDDEN);
    __syncthreads();
    Cells cells;
    if (IS_WHOLE) load_cells(cells, a, l, 0, unit, 0);
    for (int t = 0; t < a.steps; t++)
        for (int first = 0; first < STREAMS; first += CHUNK)
            if (!step_forward(a, weights, partials, l, t, unit, first, cells)) {
                const long long last = (l * (a.steps + 1) + a.steps) * STREAMS;
                return write_nan(a.hidden_LTBH + last * HIDDEN + unit, HIDDEN);
            }
}
