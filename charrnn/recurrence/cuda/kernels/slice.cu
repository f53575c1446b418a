// All layers of an LSTM over all time steps as one kernel whose weights stay in shared memory: what
// forward.cu and backward.cu have in common. wavefront.py allocates the memory that they read and write,
// and computes the products that do not depend on time.
//
// Each block keeps its slice of the weights in shared memory from the first step to the last (persistent
// RNNs: Diamos et al., 2016). All blocks must run at the same time: a cooperative launch.
//
// There is no barrier between blocks. A block waits for the numbers that it needs: memory is filled with
// EMPTY words before the kernel starts, and a reader loads a word again until it is no longer EMPTY. So
// a layer runs as far ahead of the next one as it can. The product with the outputs of the layer below
// comes first in each step, while the layer's own last outputs are still on their way.
//
// NVRTC compiles this on the user's machine, after chip.cu, for one size:
//   HIDDEN   units of a layer, a multiple of 4 * UNITS
//   UNITS    units of a block: 8 or 16
//   STREAMS  streams in all
//   TILES    tiles of 16 streams of a warp
//   GROUPS   warps that share out the streams
//   SPLITS   warps that share out the inputs of a product, whose partial sums are then added
//   FLOAT16  1: vectors and weights are float16, 0: bfloat16. Sums, cells and gates are float32.
//
// Shape suffixes: T steps, B streams, V characters, H units, L layers, M layers but one, G gate rows
// (4H: i, f, g, o), S groups of four slices, U units of a group (4 UNITS).

#ifndef SPINS
#define SPINS (1u << 24)  // loads of one place before a block gives up: some ten seconds
#endif

constexpr int GATES = 4 * HIDDEN;
constexpr int SLICES = HIDDEN / UNITS;
constexpr int COLUMNS = 4 * UNITS;   // of a block's products: forward gate rows, backward units
constexpr int ACROSS = COLUMNS / 16;          // tiles of 16 columns
constexpr int ALONG = HIDDEN / 32;            // stretches of 32 inputs, of which a lane reads 8
constexpr int MATRIX = COLUMNS * HIDDEN / 8;  // uint4s of one slice of weights
constexpr int THREADS = 32 * GROUPS * SPLITS;
constexpr int PASS = 16 * GROUPS;      // streams of one tile of all groups
constexpr int CHUNK = TILES * PASS;    // streams that a block computes at the same time
constexpr bool IS_WHOLE = STREAMS <= CHUNK;  // then what a thread computes stays in its registers
constexpr int PAIRS = UNITS / 2;       // pairs of units of a block
constexpr int PER_THREAD = (PASS * PAIRS + THREADS - 1) / THREADS;  // pairs of a thread in a pass
constexpr int SHARE = (ALONG + SPLITS - 1) / SPLITS;                // stretches of a warp
constexpr int MOST_AHEAD = TILES == 1 ? 8 : 2;  // stretches in registers: as many as fit there
constexpr int AHEAD = SHARE < MOST_AHEAD ? SHARE : MOST_AHEAD;
constexpr unsigned EMPTY = 0xffffffffu;  // a pair that no conversion gives: its NaN is 0x7fff
constexpr Half NOT_A_NUMBER = 0x7fff;    // in both formats

typedef float Sums[TILES][2][ACROSS][4];  // of 8 streams and 16 columns each
typedef uint4 Stretch[TILES][2];

__device__ inline int warp_group() { return threadIdx.x / 32 / SPLITS; }

__device__ inline int warp_split() { return threadIdx.x / 32 % SPLITS; }

// The place of 16 bytes of weights in shared memory, in the order in which `multiply` reads them: for
// 16 columns, 32 inputs and a lane, two uint4s, one for each of two instructions.
__device__ inline int weights_place(int tile, int along, int lane) {
    return (tile * ALONG + along) * 64 + lane;
}

// Store 8 weights of two columns, 8 columns apart, as the two instructions of a lane take them.
__device__ inline void store_weights(uint4* place, uint4 upper, uint4 lower) {
    place[0] = {upper.x, lower.x, upper.y, lower.y};
    place[32] = {upper.z, lower.z, upper.w, lower.w};
}

// Where a lane's streams are in a matrix. Streams beyond the last one read the last one again, so that
// lanes stay together.
struct Rows {
    const Half* rows[TILES][2];

    __device__ Rows(const Half* source_BH, int stride, int first) {
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const int row = warp_group() * 16 + half * 8 + threadIdx.x % 32 / 4;
                const int stream = first + tile * PASS + row;
                const int begin = warp_split() * SHARE * 32 + threadIdx.x % 4 * 8;
                rows[tile][half] =
                    source_BH + ((stream < STREAMS ? stream : STREAMS - 1) * stride + begin);
            }
    }

    // Load 8 inputs of each stream: those of the stretch `along`, counted from the warp's first one.
    __device__ void load(Stretch& stretch, int along) const {
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int half = 0; half < 2; half++)
                stretch[tile][half] = load_published((const uint4*)(rows[tile][half] + along * 32));
    }
};

// Whether all lanes have all numbers of a stretch.
__device__ inline bool is_complete(const Stretch& stretch) {
    unsigned highest = 0;
    auto look = [&](unsigned word) { highest = word > highest ? word : highest; };
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const uint4 words = stretch[tile][half];
            look(words.x), look(words.y), look(words.z), look(words.w);
        }
    return !any_lane(highest == EMPTY);
}

// sums += weights @ stretch. The order in which a product adds its terms is free. So where the
// instruction wants the numbers 2c, 2c + 1, 2c + 8, 2c + 9 of 16, lane c of four reads 8 adjacent
// numbers of 32, from both factors, and gives four of them to each of two instructions.
__device__ inline void multiply(Sums& sums, const uint4* weights, const Stretch& stretch) {
#pragma unroll
    for (int second = 0; second < 2; second++)
#pragma unroll
        for (int across = 0; across < ACROSS; across++) {
            const uint4 columns = weights[weights_place(across, 0, 0) + second * 32];
            const Pair a[4] = {columns.x, columns.y, columns.z, columns.w};
#pragma unroll
            for (int tile = 0; tile < TILES; tile++)
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const uint4 row = stretch[tile][half];
                    const Pair b[2] = {second ? row.z : row.x, second ? row.w : row.y};
                    multiply_add(sums[tile][half][across], a, b);
                }
        }
}

// sums += weights @ source, transposed: a warp's share of the inputs, for its streams. `stride` numbers
// lie between two rows of the source. Waits for its numbers; false where they do not come.
__device__ inline bool add_product(
    Sums& sums, const uint4* weights, const Half* source_BH, int stride, int first
) {
    const Rows rows(source_BH, stride, first);
    Stretch stretches[AHEAD];
    const int begin = warp_split() * SHARE;
    const bool is_whole = ALONG % SPLITS == 0 || begin + SHARE <= ALONG;
    const int count = is_whole ? SHARE : ALONG - begin;
#pragma unroll
    for (int n = 0; n < AHEAD; n++)
        if (n < count) rows.load(stretches[n], n);
    const uint4* lane_weights = weights + weights_place(0, begin, threadIdx.x % 32);
    unsigned spins = 0;
    for (bool waiting = true; waiting;) {
        waiting = false;
#pragma unroll
        for (int n = 0; n < AHEAD; n++)
            if (n < count && !is_complete(stretches[n])) {
                rows.load(stretches[n], n);
                waiting = true;
            }
        if (waiting && ++spins == SPINS) return false;
    }
#pragma unroll
    for (int n = 0; n < SHARE; n++) {
        if (n >= count) break;
        Stretch& stretch = stretches[n % AHEAD];
        while (n >= AHEAD && !is_complete(stretch)) {
            if (++spins == SPINS) return false;
            rows.load(stretch, n);
        }
        multiply(sums, lane_weights + weights_place(0, n, 0), stretch);
        if (n + AHEAD < SHARE && n + AHEAD < count)
            rows.load(stretch, n + AHEAD);
    }
    return true;
}

// The place of a partial sum of a pass, which are [SPLITS][PASS][COLUMNS]. Columns change places from
// row to row, so that the lanes of a warp use different banks of shared memory.
__device__ inline float* partial(float* partials, int split, int row, int column) {
    const int swizzle = row / 2 % 4 * 8 ^ row % 2 * 16;
    return partials + (split * PASS + row) * COLUMNS + (column & ~24) + (column & 24 ^ swizzle);
}

__device__ inline void store_partials(float* partials, const float (&sums)[2][ACROSS][4]) {
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
        for (int across = 0; across < ACROSS; across++)
#pragma unroll
            for (int n = 0; n < 4; n++) {
                const int row = warp_group() * 16 + half * 8 + threadIdx.x % 4 * 2 + n % 2;
                const int column = across * 16 + n / 2 * 8 + threadIdx.x % 32 / 4;
                *partial(partials, warp_split(), row, column) = sums[half][across][n];
            }
}

__device__ inline float2& two(float* place) { return *(float2*)place; }

__device__ inline float2 two(const float* place) { return *(const float2*)place; }

__device__ inline float2 add(float2 a, float2 b) { return {a.x + b.x, a.y + b.y}; }

__device__ inline float2 sum_of_partials(float* partials, int row, int column) {
    float2 sum = {0.0f, 0.0f};
#pragma unroll
    for (int split = 0; split < SPLITS; split++)
        sum = add(sum, two(partial(partials, split, row, column)));
    return sum;
}

// A pair of a block's units of one stream, which one thread computes in all steps.
struct Element {
    int row, stream, unit;  // the stream's place in the pass; the first unit's place in the block
    bool exists;

    __device__ Element(int first, int tile, int n) {
        const int place = threadIdx.x + n * THREADS;
        row = place / PAIRS, unit = place % PAIRS * 2, stream = first + tile * PASS + row;
        exists = row < PASS && stream < STREAMS;
    }
};

// Where numbers did not come: results must be recognisable as invalid. The last that a block writes.
__device__ inline void write_nan(Half* slice_BU, int stride) {
    for (int place = threadIdx.x; place < STREAMS * UNITS; place += THREADS)
        slice_BU[(long long)(place / UNITS) * stride + place % UNITS] = NOT_A_NUMBER;
}

__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

__device__ inline float tanh_of(float x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }
