struct Forward {
    const long long* x_TB;
    const float* table_VG;  // the first layer's input weights, biases added
    const float* bias_LG;   // of the others
    const Half* weight_hh_LGH;
    const Half* weight_ih_MGH;   // of the layers above the first
    const float* between_MBH;    // factors of what a layer gives to the next; null: all 1
    Half* hidden_LTBH;           // T + 1: [0] is read, the others are written
    Half* given_MTBH;            // the outputs times the factors, where there are some
    float* cell_LTBH;            // T + 1: [0] is read, the others are written
    float* gates_LTBG;           // the activations, for the backward kernel; null: not wanted
    unsigned* counters;          // zeros
    long long layers, steps, streams;
};

// Step the streams of a warp from `first` on: step t of layer l, the units from `unit` on.
__device__ inline void step_forward(
    const Forward& a, const uint4* kept, int l, int t, int unit, int first
) {
    const int streams = a.streams;
    const long long now = (l * a.steps + t) * streams, state = (l * (a.steps + 1) + t) * streams;
    const int column = unit + pair_of_columns();
    Sums sums;
    float2 before[TILES][2][PER_GATE];
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int below = 0; below < 2; below++) {
            const long long stream = at_most(stream_of(first, tile, below), streams);
            const float* start_G = a.bias_LG + l * GATES;
            if (l == 0) start_G = a.table_VG + a.x_TB[(long long)t * streams + stream] * GATES;
#pragma unroll
            for (int across = 0; across < ACROSS; across++) {
                const int row = across / PER_GATE * HIDDEN + across % PER_GATE * 8 + column;
                const float2 start = two(start_G + row);
                sums[tile][across][2 * below] = start.x;
                sums[tile][across][2 * below + 1] = start.y;
            }
#pragma unroll
            for (int part = 0; part < PER_GATE; part++)
                before[tile][below][part] =
                    two(a.cell_LTBH + (state + stream) * HIDDEN + column + part * 8);
        }
    multiply(sums, kept, a.hidden_LTBH + state * HIDDEN, HIDDEN, first, streams);
    if (l > 0) {
        const long long below = ((l - 1) * (a.steps + 1) + t + 1) * streams;
        const Half* inputs_BH = a.between_MBH ? a.given_MTBH + (now - a.steps * streams) * HIDDEN
                                              : a.hidden_LTBH + below * HIDDEN;
        multiply(sums, kept + MATRIX, inputs_BH, HIDDEN, first, streams);
    }
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int below = 0; below < 2; below++) {
            const int stream = stream_of(first, tile, below);
            if (stream >= streams) continue;
#pragma unroll
            for (int part = 0; part < PER_GATE; part++) {
                float2 i, f, g, o, cell, hidden;
                auto sum = [&](int gate, int which) {
                    return sums[tile][gate * PER_GATE + part][2 * below + which];
                };
                i = {sigmoid(sum(0, 0)), sigmoid(sum(0, 1))};
                f = {sigmoid(sum(1, 0)), sigmoid(sum(1, 1))};
                g = {tanh_of(sum(2, 0)), tanh_of(sum(2, 1))};
                o = {sigmoid(sum(3, 0)), sigmoid(sum(3, 1))};
                cell.x = f.x * before[tile][below][part].x + i.x * g.x;
                cell.y = f.y * before[tile][below][part].y + i.y * g.y;
                hidden = {o.x * tanh_of(cell.x), o.y * tanh_of(cell.y)};
                const int at = column + part * 8;
                const long long next = (state + streams + stream) * HIDDEN + at;
                two(a.cell_LTBH + next) = cell;
                *(Pair*)(a.hidden_LTBH + next) = narrow(hidden);
                if (a.between_MBH && l + 1 < a.layers) {
                    const float2 factor =
                        two(a.between_MBH + ((long long)l * streams + stream) * HIDDEN + at);
                    *(Pair*)(a.given_MTBH + (now + stream) * HIDDEN + at) =
                        narrow({hidden.x * factor.x, hidden.y * factor.y});
                }
                if (a.gates_LTBG) {
                    float* gates_G = a.gates_LTBG + (now + stream) * GATES + at;
                    two(gates_G) = i;
                    two(gates_G + HIDDEN) = f;
                    two(gates_G + 2 * HIDDEN) = g;
                    two(gates_G + 3 * HIDDEN) = o;
                }
            }
        }
}

// Block: a layer and UNITS of its units, so that all gates of a unit meet in one lane.
extern "C" __global__ void __launch_bounds__(THREADS, 1) forward(Forward a) {
    SHARED(kept);
    const int l = blockIdx.x / SLICES, unit = blockIdx.x % SLICES * UNITS;
    const long long rows = (long long)l * GATES + unit;
    keep(kept, a.weight_hh_LGH + rows * HIDDEN, HIDDEN, PER_GATE, HIDDEN);
    if (l > 0)
        keep(kept + MATRIX, a.weight_ih_MGH + (rows - GATES) * HIDDEN, HIDDEN, PER_GATE, HIDDEN);
    __syncthreads();
    const int waves = a.steps + a.layers - 1;
    for (int wave = 0; wave < waves; wave++) {
        const int t = wave - l;
        if (wave > 0 && !meet(a.counters, wave * gridDim.x)) {
            const long long last = (l * (a.steps + 1) + a.steps) * a.streams;
            return spoil(a.hidden_LTBH + last * HIDDEN + unit, HIDDEN, a.streams);
        }
        if (t < 0 || t >= a.steps) continue;
        for (int first = threadIdx.x / 32 * TOGETHER; first < a.streams; first += AT_ONCE)
            step_forward(a, kept, l, t, unit, first);
    }
}
