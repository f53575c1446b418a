constexpr int SHARED_PER_THREAD = (PASS * COLUMNS / 2 + THREADS - 1) / THREADS;

struct Backward {
    const Half* weight_hh_LGH;
    const Half* weight_ih_MGH;  // of the layers above the first
    const float* between_MBH;   // as in Forward
    const float* gates_LTBG;
    const float* cell_LTBH;       // T + 1
    const Half* to_outputs_TBH;   // the gradient of the last layer's outputs
    const float* to_hidden_LBH;   // of the hidden states after the last step; null: zeros
    float* to_cell_LBH;           // of the cells after the last step; at the end of the first cells
    Half* to_gates_LTBG;          // of the gates before their activation; EMPTY
    unsigned* shares_LSB4U;       // between the four blocks of a group; zeros
    long long layers, steps;
};

// Blocks of a group exchange float32 numbers in memory that is used in every step again. The lowest
// bit of a number tells in which one it was written: it is 1 in the first step, then 0, and so on. A
// block overwrites a number only after its reader has used it: it waits for the gradients of the gates
// that the reader computes from it.
__device__ inline unsigned step_tag(const Backward& a, int t) { return (a.steps - t) & 1; }

__device__ inline uint2 tagged(float2 numbers, unsigned tag) {
    auto mark = [&](float number) { return (__float_as_uint(number) & ~1u) | tag; };
    return {mark(numbers.x), mark(numbers.y)};
}

__device__ inline unsigned* share_place(
    const Backward& a, int l, int group, int stream, int gate, int column
) {
    const long long row = (l * (SLICES / 4) + group) * STREAMS + stream;
    return a.shares_LSB4U + (row * 4 + gate) * COLUMNS + column;
}

// Two adjacent units of a group and a stream, whose sums one thread shares with the other blocks.
struct Shared {
    int row, column;  // the stream's place in the pass; the first unit's place in the group
    bool exists;

    __device__ Shared(int first, int n) {
        const int place = threadIdx.x + n * THREADS;
        row = place / (COLUMNS / 2), column = place % (COLUMNS / 2) * 2;
        exists = row < PASS && first + row < STREAMS;
    }
};

typedef float2 SharedSums[TILES][SHARED_PER_THREAD];

// The gradients that come from the layer above: the terms of the rows of one gate, times the factors.
// False where the numbers that it needs do not come.
__device__ inline bool sum_from_above(
    SharedSums& above, Sums& sums, const Backward& a, const uint4* weights, float* partials, int l,
    int t, int group, int gate, int first, bool is_lost
) {
    const long long now = ((l + 1) * a.steps + t) * STREAMS;
    const Half* above_BH = a.to_gates_LTBG + now * GATES + gate * HIDDEN;
    is_lost = !add_product(sums, weights + MATRIX, above_BH, GATES, first) || is_lost;
    if (!a.between_MBH) return !is_lost;
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        __syncthreads();  // the partial sums of the pass before have been read
        store_partials(partials, sums[tile]);
        if (__syncthreads_or(is_lost)) return false;
#pragma unroll
        for (int n = 0; n < SHARED_PER_THREAD; n++) {
            const Shared shared(first + tile * PASS, n);
            if (!shared.exists) continue;
            const long long stream = l * STREAMS + first + tile * PASS + shared.row;
            const float* factor_H = a.between_MBH + stream * HIDDEN + group * COLUMNS;
            const float2 factor = two(factor_H + shared.column);
            const float2 sum = sum_of_partials(partials, shared.row, shared.column);
            above[tile][n] = {sum.x * factor.x, sum.y * factor.y};
        }
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
            for (int across = 0; across < ACROSS; across++)
#pragma unroll
                for (int n = 0; n < 4; n++) sums[tile][half][across][n] = 0.0f;
    }
    return true;
}

// Compute a block's partial sums of the gradients of its group's hidden states at step t, the terms of
// the rows of one gate, and publish them. False where the numbers that it needs do not come.
__device__ inline bool share_gate_rows(
    const Backward& a, const uint4* weights, float* partials, int l, int t, int group, int gate,
    int first, bool is_lost
) {
    Sums sums = {};
    SharedSums above = {};
    if (l + 1 < a.layers && !sum_from_above(above, sums, a, weights, partials, l, t, group, gate,
                                            first, is_lost))
        is_lost = true;
    if (t + 1 < a.steps) {
        const long long next = (l * a.steps + t + 1) * STREAMS;
        const Half* next_BH = a.to_gates_LTBG + next * GATES + gate * HIDDEN;
        is_lost = !add_product(sums, weights, next_BH, GATES, first) || is_lost;
    }
    const unsigned tag = step_tag(a, t);
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        __syncthreads();  // the partial sums of the pass before have been read
        store_partials(partials, sums[tile]);
        if (__syncthreads_or(is_lost)) return false;
#pragma unroll
        for (int n = 0; n < SHARED_PER_THREAD; n++) {
            const Shared shared(first + tile * PASS, n);
            if (!shared.exists) continue;
            const int stream = first + tile * PASS + shared.row;
            const float2 sum = sum_of_partials(partials, shared.row, shared.column);
            publish(
                (uint2*)share_place(a, l, group, stream, gate, shared.column),
                tagged(add(sum, above[tile][n]), tag)
            );
        }
    }
    return true;
}

// What the gradients of a pair of units are computed from.
struct Inputs {
    float2 i, f, g, o, before, cell, to_cell, to_hidden;
};

// Where a pair of units is at step t.
struct Place {
    long long gates, state, layer;  // offsets: into gates (G), cells (H), a layer's own (H)
    int column, unit;               // within the group and the layer

    __device__ Place(const Backward& a, int l, int t, int group, int gate, const Element& element) {
        column = gate * UNITS + element.unit, unit = group * COLUMNS + column;
        gates = ((l * a.steps + t) * STREAMS + element.stream) * GATES + unit;
        state = ((l * (a.steps + 1) + t) * STREAMS + element.stream) * HIDDEN + unit;
        layer = (l * STREAMS + element.stream) * HIDDEN + unit;
    }
};

// Load all but the shares of the other blocks.
__device__ inline Inputs load_inputs(
    const Backward& a, int l, int t, int stream, const Place& place
) {
    const float* gates_G = a.gates_LTBG + place.gates;
    Inputs x = {
        two(gates_G), two(gates_G + HIDDEN), two(gates_G + 2 * HIDDEN), two(gates_G + 3 * HIDDEN),
        two((const float*)a.cell_LTBH + place.state),
        two((const float*)a.cell_LTBH + place.state + STREAMS * HIDDEN),
        two((const float*)a.to_cell_LBH + place.layer),
        {0.0f, 0.0f},
    };
    if (l + 1 == a.layers) {
        const long long output = ((long long)t * STREAMS + stream) * HIDDEN + place.unit;
        x.to_hidden = to_float2(*(const Pair*)(a.to_outputs_TBH + output));
    }
    if (t + 1 == a.steps && a.to_hidden_LBH)
        x.to_hidden = add(x.to_hidden, two(a.to_hidden_LBH + place.layer));
    return x;
}

// Add the shares of all blocks of the group, in their order. False where one does not come.
__device__ inline bool add_shares(
    float2& to_hidden, const Backward& a, int l, int t, int group, int stream, int column
) {
    const unsigned tag = step_tag(a, t);
    const uint2* places[4];
    uint2 words[4];
#pragma unroll
    for (int gate = 0; gate < 4; gate++) {
        places[gate] = (const uint2*)share_place(a, l, group, stream, gate, column);
        words[gate] = load_published(places[gate]);
    }
#pragma unroll
    for (int gate = 0; gate < 4; gate++) {
        unsigned spins = 0;
        while ((words[gate].x ^ tag | words[gate].y ^ tag) & 1) {
            if (++spins == SPINS) return false;
            words[gate] = load_published(places[gate]);
        }
        const float2 share = {__uint_as_float(words[gate].x), __uint_as_float(words[gate].y)};
        to_hidden = add(to_hidden, share);
    }
    return true;
}

struct Gates {
    float i, f, g, o;
};

// The gradients of the gates before their activation; `to_cell` becomes that of the step before.
__device__ inline Gates gate_gradients(
    const Gates& gates, float before, float cell, float to_hidden, float& to_cell
) {
    const float squashed = tanh_of(cell);
    to_cell += to_hidden * gates.o * (1.0f - squashed * squashed);
    const Gates gradients = {
        to_cell * gates.g * gates.i * (1.0f - gates.i),
        to_cell * before * gates.f * (1.0f - gates.f),
        to_cell * gates.i * (1.0f - gates.g * gates.g),
        to_hidden * squashed * gates.o * (1.0f - gates.o),
    };
    to_cell *= gates.f;
    return gradients;
}

__device__ inline void store(const Backward& a, const Place& place, Inputs x) {
    const Gates of_x = gate_gradients(
        {x.i.x, x.f.x, x.g.x, x.o.x}, x.before.x, x.cell.x, x.to_hidden.x, x.to_cell.x
    );
    const Gates of_y = gate_gradients(
        {x.i.y, x.f.y, x.g.y, x.o.y}, x.before.y, x.cell.y, x.to_hidden.y, x.to_cell.y
    );
    Half* to_gates_G = a.to_gates_LTBG + place.gates;
    publish((Pair*)to_gates_G, to_pair({of_x.i, of_y.i}));
    publish((Pair*)(to_gates_G + HIDDEN), to_pair({of_x.f, of_y.f}));
    publish((Pair*)(to_gates_G + 2 * HIDDEN), to_pair({of_x.g, of_y.g}));
    publish((Pair*)(to_gates_G + 3 * HIDDEN), to_pair({of_x.o, of_y.o}));
    two(a.to_cell_LBH + place.layer) = x.to_cell;
}

// Ask for what the forward kernel stored, long ago, while the products are computed.
__device__ inline void prefetch_inputs(
    const Backward& a, int l, int t, int group, int gate, int first
) {
    for (int row = threadIdx.x; row < CHUNK && first + row < STREAMS; row += THREADS) {
        const long long now = (l * a.steps + t) * STREAMS + first + row;
        const long long state = (l * (a.steps + 1) + t) * STREAMS + first + row;
        const int unit = group * COLUMNS + gate * UNITS;
#pragma unroll
        for (int of = 0; of < 4; of++) prefetch(a.gates_LTBG + now * GATES + of * HIDDEN + unit);
        prefetch(a.cell_LTBH + state * HIDDEN + unit);
    }
}

// Compute the gradients of step t for the streams of a chunk. False where numbers did not come, in this
// call or the one before; `is_lost` is set where a thread misses the shares of another block.
__device__ inline bool step_backward(
    const Backward& a, const uint4* weights, float* partials, int l, int t, int group, int gate,
    int first, bool& is_lost
) {
    prefetch_inputs(a, l, t, group, gate, first);
    if (!share_gate_rows(a, weights, partials, l, t, group, gate, first, is_lost)) return false;
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        Inputs inputs[PER_THREAD];
#pragma unroll
        for (int n = 0; n < PER_THREAD; n++) {
            const Element element(first, tile, n);
            if (!element.exists) continue;
            const Place place(a, l, t, group, gate, element);
            inputs[n] = load_inputs(a, l, t, element.stream, place);
        }
#pragma unroll
        for (int n = 0; n < PER_THREAD; n++) {
            const Element element(first, tile, n);
            if (!element.exists) continue;
            const Place place(a, l, t, group, gate, element);
            if (!add_shares(inputs[n].to_hidden, a, l, t, group, element.stream, place.column))
                is_lost = true;
            store(a, place, inputs[n]);
        }
    }
    return true;
}

// Load the weights of the rows of one gate and the columns of a group into shared memory, transposed.
__device__ inline void load_transposed(uint4* weights, const Half* column_H) {
#pragma unroll 4
    for (int place = threadIdx.x; place < MATRIX / 4; place += THREADS) {
        const int column = place % (COLUMNS / 4) * 2 % 8 + place % (COLUMNS / 4) / 4 * 16;
        const int octet = place / (COLUMNS / 4);
        Pair pairs[2][8];  // of two columns, and of the two that are 8 columns further
#pragma unroll
        for (int lower = 0; lower < 2; lower++)
#pragma unroll
            for (int n = 0; n < 8; n++)
                pairs[lower][n] =
                    *(const Pair*)(column_H + (octet * 8ll + n) * HIDDEN + column + lower * 8);
        uint4 columns[2][2];
#pragma unroll
        for (int lower = 0; lower < 2; lower++) {
            const Pair* rows = pairs[lower];
            auto first = [&](int n) { return (rows[n] & 0xffff) | rows[n + 1] << 16; };
            auto second = [&](int n) { return rows[n] >> 16 | (rows[n + 1] & 0xffff0000u); };
            columns[0][lower] = {first(0), first(2), first(4), first(6)};
            columns[1][lower] = {second(0), second(2), second(4), second(6)};
        }
        uint4* to = weights + weights_place(column / 16, octet / 4, column % 8 * 4 + octet % 4);
        store_weights(to, columns[0][0], columns[0][1]);
        store_weights(to + 4, columns[1][0], columns[1][1]);
    }
}

// Block: a layer, four slices of its units (a group), and one gate. A slice alone would have to read
// the gradients of all four gates of all units; here each of four blocks reads those of one gate,
// multiplies them for all units of the group, and each adds up the shares of its own slice.
extern "C" __global__ void __launch_bounds__(THREADS, 1) backward(Backward a) {
    SHARED(weights);
    float* partials = (float*)(weights + 2 * MATRIX);
    const int l = blockIdx.x / SLICES, group = blockIdx.x % SLICES / 4, gate = blockIdx.x % 4;
    const long long corner = ((long long)l * GATES + gate * HIDDEN) * HIDDEN + group * COLUMNS;
    load_transposed(weights, a.weight_hh_LGH + corner);
    if (l + 1 < a.layers) load_transposed(weights + MATRIX, a.weight_ih_MGH + corner);
    __syncthreads();
    bool is_lost = false, is_valid = true;
    for (int t = a.steps - 1; t >= 0 && is_valid; t--)
        for (int first = 0; first < STREAMS && is_valid; first += CHUNK)
            is_valid = step_backward(a, weights, partials, l, t, group, gate, first, is_lost);
    if (!is_valid || __syncthreads_or(is_lost)) {
        const long long first = l * a.steps * STREAMS;
        const int unit = group * COLUMNS + gate * UNITS;
        write_nan(a.to_gates_LTBG + first * GATES + unit, GATES);
    }
}
