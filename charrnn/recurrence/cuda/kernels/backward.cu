constexpr int BATCH = 4;  // pairs of units that a thread loads before it computes

struct Backward {
    const Half* weight_hh_LHG;  // transposed
    const Half* weight_ih_MHG;  // of the layers above the first, transposed
    const float* between_MBH;   // as forward
    const float* gates_LTBG;
    const float* cell_LTBH;       // T + 1
    const Half* to_outputs_TBH;   // the gradient of the last layer's outputs
    const float* to_hidden_LBH;   // of the hidden states after the last step; null: zeros
    float* to_cell_LBH;           // of the cells after the last step; at the end of the first cells
    Half* to_gates_LTBG;          // of what the activations were taken of
    float* shares_LSB4U;          // between the four blocks of a group
    unsigned* counters;           // zeros
    long long layers, steps, streams;
};

// A block's share of the gradients of its group's hidden states at step t: what comes through the
// rows of one gate, for the streams of a warp from `first` on.
__device__ inline void share_backward(
    const Backward& a, const uint4* kept, int l, int t, int group, int gate, int first
) {
    const int streams = a.streams;
    const long long now = (l * a.steps + t) * streams;
    const int column = pair_of_columns();
    float* shares_BU = a.shares_LSB4U + (l * (SLICES / 4) + group) * a.streams * 4 * COLUMNS;
    Sums sums = {};
    if (l + 1 < a.layers) {
        const Half* above_BH = a.to_gates_LTBG + (now + a.steps * streams) * GATES + gate * HIDDEN;
        multiply(sums, kept + MATRIX, above_BH, GATES, first, streams);
    }
    if (l + 1 < a.layers && a.between_MBH)
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int below = 0; below < 2; below++) {
                const int stream = at_most(stream_of(first, tile, below), streams);
                const float* factor_H = a.between_MBH + ((long long)l * streams + stream) * HIDDEN;
#pragma unroll
                for (int across = 0; across < ACROSS; across++) {
                    const float2 factor = two(factor_H + group * COLUMNS + across * 8 + column);
                    sums[tile][across][2 * below] *= factor.x;
                    sums[tile][across][2 * below + 1] *= factor.y;
                }
            }
    if (t + 1 < a.steps) {
        const Half* next_BH = a.to_gates_LTBG + (now + streams) * GATES + gate * HIDDEN;
        multiply(sums, kept, next_BH, GATES, first, streams);
    }
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int below = 0; below < 2; below++) {
            const int stream = stream_of(first, tile, below);
            if (stream >= streams) continue;
#pragma unroll
            for (int across = 0; across < ACROSS; across++)
                two(shares_BU + (stream * 4ll + gate) * COLUMNS + across * 8 + column) = {
                    sums[tile][across][2 * below], sums[tile][across][2 * below + 1]
                };
        }
}

// What the forward kernel left for two units of a stream, and the gradients that come to them.
struct Two {
    float2 i, f, g, o, before, cell, to_cell, to_hidden;
};

// Where two of a block's units are at step t.
struct Place {
    long long stream, gates, state, layer;  // offsets: into gates (G), cells (H), a layer's own (H)
    int own, unit;                          // within the group and the layer

    __device__ Place(const Backward& a, int l, int t, int group, int gate, int place) {
        stream = place / (UNITS / 2);
        own = gate * UNITS + place % (UNITS / 2) * 2, unit = group * COLUMNS + own;
        gates = ((l * a.steps + t) * a.streams + stream) * GATES + unit;
        state = ((l * (a.steps + 1) + t) * a.streams + stream) * HIDDEN + unit;
        layer = (l * a.streams + stream) * HIDDEN + unit;
    }
};

__device__ inline Two load(const Backward& a, int l, int t, int group, const Place& at) {
    const float* gates_G = a.gates_LTBG + at.gates;
    Two x = {
        two(gates_G), two(gates_G + HIDDEN), two(gates_G + 2 * HIDDEN), two(gates_G + 3 * HIDDEN),
        two((const float*)a.cell_LTBH + at.state),
        two((const float*)a.cell_LTBH + at.state + a.streams * HIDDEN),
        two((const float*)a.to_cell_LBH + at.layer),
        {0.0f, 0.0f},
    };
    auto add = [&](float2 part) { x.to_hidden = {x.to_hidden.x + part.x, x.to_hidden.y + part.y}; };
    const long long stream = (l * (SLICES / 4) + group) * a.streams + at.stream;
    const float* shares_4U = a.shares_LSB4U + stream * 4 * COLUMNS + at.own;
#pragma unroll
    for (int other = 0; other < 4; other++)
        add(fresh((const float2*)(shares_4U + other * COLUMNS)));
    if (l + 1 == a.layers) {
        const long long output = (t * a.streams + at.stream) * HIDDEN + at.unit;
        add(widen(*(const Pair*)(a.to_outputs_TBH + output)));
    }
    if (t + 1 == a.steps && a.to_hidden_LBH) add(two(a.to_hidden_LBH + at.layer));
    return x;
}

struct Gates {
    float i, f, g, o;
};

// The gradients of what the activations were taken of; `to_cell` goes to the step before.
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

__device__ inline void store(const Backward& a, const Place& at, Two x) {
    const Gates of_x = gate_gradients(
        {x.i.x, x.f.x, x.g.x, x.o.x}, x.before.x, x.cell.x, x.to_hidden.x, x.to_cell.x
    );
    const Gates of_y = gate_gradients(
        {x.i.y, x.f.y, x.g.y, x.o.y}, x.before.y, x.cell.y, x.to_hidden.y, x.to_cell.y
    );
    two(a.to_cell_LBH + at.layer) = x.to_cell;
    Half* to_gates_G = a.to_gates_LTBG + at.gates;
    *(Pair*)to_gates_G = narrow({of_x.i, of_y.i});
    *(Pair*)(to_gates_G + HIDDEN) = narrow({of_x.f, of_y.f});
    *(Pair*)(to_gates_G + 2 * HIDDEN) = narrow({of_x.g, of_y.g});
    *(Pair*)(to_gates_G + 3 * HIDDEN) = narrow({of_x.o, of_y.o});
}

// Add up the shares of a block's own units, two at a time, and go through their gates. Several are
// loaded before the first is stored: each load takes long, and they wait together.
__device__ inline void step_backward(const Backward& a, int l, int t, int group, int gate) {
    const int places = a.streams * (UNITS / 2);
    for (int first = threadIdx.x; first < places; first += BATCH * THREADS) {
        Two loaded[BATCH];
#pragma unroll
        for (int n = 0; n < BATCH; n++)
            if (first + n * THREADS < places)
                loaded[n] = load(a, l, t, group, Place(a, l, t, group, gate, first + n * THREADS));
#pragma unroll
        for (int n = 0; n < BATCH; n++)
            if (first + n * THREADS < places)
                store(a, Place(a, l, t, group, gate, first + n * THREADS), loaded[n]);
    }
}

// Ask for what the forward kernel left, long ago, while the products are under way.
__device__ inline void announce(const Backward& a, int l, int t, int group, int gate) {
    for (int stream = threadIdx.x; stream < a.streams; stream += THREADS) {
        const Place at(a, l, t, group, gate, stream * (UNITS / 2));
#pragma unroll
        for (int of = 0; of < 4; of++) prefetch(a.gates_LTBG + at.gates + of * HIDDEN);
        prefetch(a.cell_LTBH + at.state);
    }
}

// Block: a layer, four slices of its units (a group), and one gate. A slice alone would have to read
// the gradients of all four gates of all units; here each of four blocks reads one gate's, multiplies
// them for all units of the group, and they add up their shares, each for its own slice.
extern "C" __global__ void __launch_bounds__(THREADS, 1) backward(Backward a) {
    SHARED(kept);
    const int l = blockIdx.x / SLICES, group = blockIdx.x % SLICES / 4, gate = blockIdx.x % 4;
    const long long rows = ((long long)l * HIDDEN + group * COLUMNS) * GATES + gate * HIDDEN;
    keep(kept, a.weight_hh_LHG + rows, GATES, ACROSS, 0);
    if (l + 1 < a.layers) keep(kept + MATRIX, a.weight_ih_MHG + rows, GATES, ACROSS, 0);
    __syncthreads();
    unsigned* of_group = a.counters + 32 * (1 + blockIdx.x / 4);  // 128 bytes apart
    const int waves = a.steps + a.layers - 1;
    for (int wave = 0, met = 0; wave < waves; wave++) {
        const int t = a.steps - 1 - (wave - (a.layers - 1 - l));
        bool sound = wave == 0 || meet(a.counters, wave * gridDim.x);
        if (sound && t >= 0 && t < a.steps) {
            announce(a, l, t, group, gate);
            for (int first = threadIdx.x / 32 * TOGETHER; first < a.streams; first += AT_ONCE)
                share_backward(a, kept, l, t, group, gate, first);
            sound = meet(of_group, 4 * ++met);
            if (sound) step_backward(a, l, t, group, gate);
        }
        if (!sound) {
            const long long first = l * a.steps * a.streams;
            const int unit = group * COLUMNS + gate * UNITS;
            return spoil(a.to_gates_LTBG + first * GATES + unit, GATES, a.streams);
        }
    }
}
