constexpr int SHARED_PER_THREAD = (PASS * COLUMNS / 2 + THREADS - 1) / THREADS;

struct Backward {
    const Half* weight_hh_LGH;
    const Half* weight_ih_MGH;  // input weights of the layers above the first
    const float* between_MBH;   // as in Forward
    const float* gates_LTBG;
    const float* cell_LTBH;         // T + 1 steps
    const Half* grad_outputs_TBH;   // gradient of the outputs of the last layer
    const float* grad_hidden_LBH;   // gradient of the hidden states after the last step; null: zeros
    float* grad_cell_LBH;           // read: gradient of the last cells; written: of the initial cells
    Half* grad_gates_LTBG;          // gradient of the gates before their activation; EMPTY, then written
    unsigned* shares_LSB4U;         // exchanged by the four blocks of a group; zeros at first
    long long layers, steps;
};

// The blocks of a group exchange float32 values in memory that every step uses again. The lowest bit of a
// value is the tag of its step: 1 in the first step that the kernel computes, then 0, 1 and so on. A block
// overwrites a value only after its reader has used it, because it first waits for the gradients of the
// gates that the reader computes from the value.
__device__ inline unsigned step_tag(const Backward& a, int t) { return (a.steps - t) & 1; }

__device__ inline uint2 tagged(float2 numbers, unsigned tag) {
    auto mark = [&](float number) { return (__float_as_uint(number) & ~1u) | tag; };
    return {mark(numbers.x), mark(numbers.y)};
}

__device__ inline unsigned* share_address(
    const Backward& a, int l, int group, int stream, int gate, int column
) {
    const long long row = (l * (SLICES / 4) + group) * STREAMS + stream;
    return a.shares_LSB4U + (row * 4 + gate) * COLUMNS + column;
}

// A pair of adjacent units of a group, and a stream. One thread shares its sums with the other blocks.
struct SharedPair {
    int row, column;  // the stream within the pass; the first unit within the group
    bool exists;

    __device__ SharedPair(int first, int n) {
        const int index = threadIdx.x + n * THREADS;
        row = index / (COLUMNS / 2), column = index % (COLUMNS / 2) * 2;
        exists = row < PASS && first + row < STREAMS;
    }
};

typedef float2 SharedSums[TILES][SHARED_PER_THREAD];

// Compute the gradients from the layer above: the terms of the rows of one gate, times the factors between
// the layers. Returns false after a timeout.
__device__ inline bool sum_from_above(
    SharedSums& above, Sums& sums, const Backward& a, const uint4* weights, float* partials, int l,
    int t, int group, int gate, int first, bool has_timed_out
) {
    const long long step_row = ((l + 1) * a.steps + t) * STREAMS;
    const Half* above_BH = a.grad_gates_LTBG + step_row * GATES + gate * HIDDEN;
    has_timed_out = !add_product(sums, weights + MATRIX, above_BH, GATES, first) || has_timed_out;
    if (!a.between_MBH) return !has_timed_out;
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        __syncthreads();  // all threads have read the partial sums of the previous pass
        store_partials(partials, sums[tile]);
        if (__syncthreads_or(has_timed_out)) return false;
#pragma unroll
        for (int n = 0; n < SHARED_PER_THREAD; n++) {
            const SharedPair shared(first + tile * PASS, n);
            if (!shared.exists) continue;
            const long long stream = l * STREAMS + first + tile * PASS + shared.row;
            const float* factor_H = a.between_MBH + stream * HIDDEN + group * COLUMNS;
            const float2 factor = float2_at(factor_H + shared.column);
            const float2 sum = sum_of_partials(partials, shared.row, shared.column);
            above[tile][n] = {sum.x * factor.x, sum.y * factor.y};
        }
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
            for (int column_tile = 0; column_tile < COLUMN_TILES; column_tile++)
#pragma unroll
                for (int n = 0; n < 4; n++) sums[tile][half][column_tile][n] = 0.0f;
    }
    return true;
}

// Compute a block's partial sums of the gradients of its group's hidden states at step t (the terms of the
// rows of one gate) and publish them. Returns false after a timeout.
__device__ inline bool share_gate_rows(
    const Backward& a, const uint4* weights, float* partials, int l, int t, int group, int gate,
    int first, bool has_timed_out
) {
    Sums sums = {};
    SharedSums above = {};
    if (l + 1 < a.layers && !sum_from_above(above, sums, a, weights, partials, l, t, group, gate,
                                            first, has_timed_out))
        has_timed_out = true;
    if (t + 1 < a.steps) {
        const long long next = (l * a.steps + t + 1) * STREAMS;
        const Half* next_BH = a.grad_gates_LTBG + next * GATES + gate * HIDDEN;
        has_timed_out = !add_product(sums, weights, next_BH, GATES, first) || has_timed_out;
    }
    const unsigned tag = step_tag(a, t);
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        __syncthreads();  // all threads have read the partial sums of the previous pass
        store_partials(partials, sums[tile]);
        if (__syncthreads_or(has_timed_out)) return false;
#pragma unroll
        for (int n = 0; n < SHARED_PER_THREAD; n++) {
            const SharedPair shared(first + tile * PASS, n);
            if (!shared.exists) continue;
            const int stream = first + tile * PASS + shared.row;
            const float2 sum = sum_of_partials(partials, shared.row, shared.column);
            publish(
                (uint2*)share_address(a, l, group, stream, gate, shared.column),
                tagged(add(sum, above[tile][n]), tag)
            );
        }
    }
    return true;
}

// The values from which the gradients of a pair of units are computed.
struct Inputs {
    float2 i, f, g, o, before, cell, grad_cell, grad_hidden;
};

// The offsets of a pair of units at step t.
struct Offsets {
    long long gates, state, layer;  // in arrays (LTBG), (LTBH) with T + 1 steps, and (LBH)
    int column, unit;               // the first unit within the group and within the layer

    __device__ Offsets(const Backward& a, int l, int t, int group, int gate, const Element& element) {
        column = gate * UNITS + element.unit, unit = group * COLUMNS + column;
        gates = ((l * a.steps + t) * STREAMS + element.stream) * GATES + unit;
        state = ((l * (a.steps + 1) + t) * STREAMS + element.stream) * HIDDEN + unit;
        layer = (l * STREAMS + element.stream) * HIDDEN + unit;
    }
};

// Load all inputs except the shares of the other blocks.
__device__ inline Inputs load_inputs(
    const Backward& a, int l, int t, int stream, const Offsets& offsets
) {
    const float* gates_G = a.gates_LTBG + offsets.gates;
    Inputs x = {
        float2_at(gates_G), float2_at(gates_G + HIDDEN),
        float2_at(gates_G + 2 * HIDDEN), float2_at(gates_G + 3 * HIDDEN),
        float2_at((const float*)a.cell_LTBH + offsets.state),
        float2_at((const float*)a.cell_LTBH + offsets.state + STREAMS * HIDDEN),
        float2_at((const float*)a.grad_cell_LBH + offsets.layer),
        {0.0f, 0.0f},
    };
    if (l + 1 == a.layers) {
        const long long output = ((long long)t * STREAMS + stream) * HIDDEN + offsets.unit;
        x.grad_hidden = to_float2(*(const Pair*)(a.grad_outputs_TBH + output));
    }
    if (t + 1 == a.steps && a.grad_hidden_LBH)
        x.grad_hidden = add(x.grad_hidden, float2_at(a.grad_hidden_LBH + offsets.layer));
    return x;
}

// Add the shares of all blocks of the group, in the order of the blocks. Returns false after a timeout.
__device__ inline bool add_shares(
    float2& grad_hidden, const Backward& a, int l, int t, int group, int stream, int column
) {
    const unsigned tag = step_tag(a, t);
    const uint2* addresses[4];
    uint2 words[4];
#pragma unroll
    for (int gate = 0; gate < 4; gate++) {
        addresses[gate] = (const uint2*)share_address(a, l, group, stream, gate, column);
        words[gate] = load_published(addresses[gate]);
    }
#pragma unroll
    for (int gate = 0; gate < 4; gate++) {
        unsigned spins = 0;
        while ((words[gate].x ^ tag | words[gate].y ^ tag) & 1) {
            if (++spins == SPINS) return false;
            words[gate] = load_published(addresses[gate]);
        }
        const float2 share = {__uint_as_float(words[gate].x), __uint_as_float(words[gate].y)};
        grad_hidden = add(grad_hidden, share);
    }
    return true;
}

struct Gates {
    float i, f, g, o;
};

// Return the gradients of the gates before their activation. `grad_cell` becomes the gradient of the
// previous cell.
__device__ inline Gates gate_gradients(
    const Gates& gates, float before, float cell, float grad_hidden, float& grad_cell
) {
    const float squashed = tanh_of(cell);
    grad_cell += grad_hidden * gates.o * (1.0f - squashed * squashed);
    const Gates gradients = {
        grad_cell * gates.g * gates.i * (1.0f - gates.i),
        grad_cell * before * gates.f * (1.0f - gates.f),
        grad_cell * gates.i * (1.0f - gates.g * gates.g),
        grad_hidden * squashed * gates.o * (1.0f - gates.o),
    };
    grad_cell *= gates.f;
    return gradients;
}

__device__ inline void store(const Backward& a, const Offsets& offsets, Inputs x) {
    const Gates first = gate_gradients(
        {x.i.x, x.f.x, x.g.x, x.o.x}, x.before.x, x.cell.x, x.grad_hidden.x, x.grad_cell.x
    );
    const Gates second = gate_gradients(
        {x.i.y, x.f.y, x.g.y, x.o.y}, x.before.y, x.cell.y, x.grad_hidden.y, x.grad_cell.y
    );
    Half* grad_gates_G = a.grad_gates_LTBG + offsets.gates;
    publish((Pair*)grad_gates_G, to_pair({first.i, second.i}));
    publish((Pair*)(grad_gates_G + HIDDEN), to_pair({first.f, second.f}));
    publish((Pair*)(grad_gates_G + 2 * HIDDEN), to_pair({first.g, second.g}));
    publish((Pair*)(grad_gates_G + 3 * HIDDEN), to_pair({first.o, second.o}));
    float2_at(a.grad_cell_LBH + offsets.layer) = x.grad_cell;
}

// Prefetch what the forward kernel stored for this step, while the products are computed.
__device__ inline void prefetch_inputs(
    const Backward& a, int l, int t, int group, int gate, int first
) {
    for (int row = threadIdx.x; row < CHUNK && first + row < STREAMS; row += THREADS) {
        const long long step_row = (l * a.steps + t) * STREAMS + first + row;
        const long long state = (l * (a.steps + 1) + t) * STREAMS + first + row;
        const int unit = group * COLUMNS + gate * UNITS;
#pragma unroll
        for (int n = 0; n < 4; n++) prefetch(a.gates_LTBG + step_row * GATES + n * HIDDEN + unit);
        prefetch(a.cell_LTBH + state * HIDDEN + unit);
    }
}

// Compute the gradients of step t for the streams of a chunk. Returns false after a timeout in this call or
// the previous one. Sets `has_timed_out` if a thread did not get the shares of another block in time.
__device__ inline bool step_backward(
    const Backward& a, const uint4* weights, float* partials, int l, int t, int group, int gate,
    int first, bool& has_timed_out
) {
    prefetch_inputs(a, l, t, group, gate, first);
    if (!share_gate_rows(a, weights, partials, l, t, group, gate, first, has_timed_out)) return false;
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        Inputs inputs[PER_THREAD];
#pragma unroll
        for (int n = 0; n < PER_THREAD; n++) {
            const Element element(first, tile, n);
            if (!element.exists) continue;
            const Offsets offsets(a, l, t, group, gate, element);
            inputs[n] = load_inputs(a, l, t, element.stream, offsets);
        }
#pragma unroll
        for (int n = 0; n < PER_THREAD; n++) {
            const Element element(first, tile, n);
            if (!element.exists) continue;
            const Offsets offsets(a, l, t, group, gate, element);
            if (!add_shares(inputs[n].grad_hidden, a, l, t, group, element.stream, offsets.column))
                has_timed_out = true;
            store(a, offsets, inputs[n]);
        }
    }
    return true;
}

// Load the weights of the rows of one gate and the columns of a group into shared memory, transposed.
__device__ inline void load_transposed(uint4* weights, const Half* column_H) {
#pragma unroll 4
    for (int index = threadIdx.x; index < MATRIX / 4; index += THREADS) {
        const int column = index % (COLUMNS / 4) * 2 % 8 + index % (COLUMNS / 4) / 4 * 16;
        const int octet = index / (COLUMNS / 4);
        Pair pairs[2][8];  // two adjacent columns, and the two columns 8 further
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
        uint4* target = weights + weights_index(column / 16, octet / 4, column % 8 * 4 + octet % 4);
        store_weights(target, columns[0][0], columns[0][1]);
        store_weights(target + 4, columns[1][0], columns[1][1]);
    }
}

// Each block computes UNITS units of a layer. If it did so alone, it would have to read the gradients of all
// four gates of all units. Instead, four blocks form a group: each reads the gradients of one gate and
// multiplies them for all units of the group. Then each block adds the four shares of its own units.
extern "C" __global__ void __launch_bounds__(THREADS, 1) backward(Backward a) {
    SHARED(weights);
    float* partials = (float*)(weights + 2 * MATRIX);
    const int l = blockIdx.x / SLICES, group = blockIdx.x % SLICES / 4, gate = blockIdx.x % 4;
    const long long first_weight = ((long long)l * GATES + gate * HIDDEN) * HIDDEN + group * COLUMNS;
    load_transposed(weights, a.weight_hh_LGH + first_weight);
    if (l + 1 < a.layers) load_transposed(weights + MATRIX, a.weight_ih_MGH + first_weight);
    __syncthreads();
    bool has_timed_out = false, is_valid = true;
    for (int t = a.steps - 1; t >= 0 && is_valid; t--)
        for (int first = 0; first < STREAMS && is_valid; first += CHUNK)
            is_valid = step_backward(a, weights, partials, l, t, group, gate, first, has_timed_out);
    if (!is_valid || __syncthreads_or(has_timed_out)) {
        const long long first = l * a.steps * STREAMS;
        const int unit = group * COLUMNS + gate * UNITS;
        write_nan(a.grad_gates_LTBG + first * GATES + unit, GATES);
    }
}
