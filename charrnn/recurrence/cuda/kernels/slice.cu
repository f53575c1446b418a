// Shared code of forward.cu and backward.cu. Each of them computes all layers of an LSTM over all time
// steps in one kernel whose weights stay in shared memory. wavefront.py allocates the memory that they read
// and write, and computes the products that do not depend on the previous step.
//
// Each block keeps its slice of the weights in shared memory from the first step to the last (persistent
// RNNs: Diamos et al., 2016). All blocks must run at the same time: a cooperative launch.
//
// There is no barrier between blocks. A block polls the values that it needs: memory is filled with EMPTY
// words before the kernel starts, and a reader loads a word again until it is no longer EMPTY. A layer can
// therefore be several steps ahead of the next layer. Each step first computes the product with the outputs
// of the layer below, because the layer's own outputs of the previous step arrive later.
//
// NVRTC compiles this on the user's machine, after chip.cu, for one size:
//   HIDDEN   units of a layer, a multiple of 4 * UNITS
//   UNITS    units of a block: 8 or 16
//   STREAMS  streams of the batch
//   TILES    tiles of 16 streams that a warp computes
//   GROUPS   groups of warps; the groups divide the streams
//   SPLITS   warps of a group; they divide the inputs of a product, and their partial sums are added
//   FLOAT16  1: vectors and weights are float16, 0: bfloat16. Sums, cells and gates are float32.
//
// Shape suffixes: T steps, B streams, V characters, H units, L layers, M layers except one (the last for
// factors, the first for input weights), G gate rows (4H: i, f, g, o), S groups of four slices, U units of a
// group (4 UNITS).

#ifndef SPINS
#define SPINS (1u << 24)  // loads of a value before a block stops waiting: about ten seconds
#endif

constexpr int GATES = 4 * HIDDEN;
constexpr int SLICES = HIDDEN / UNITS;
constexpr int COLUMNS = 4 * UNITS;   // columns of a block's products: forward gate rows, backward units
constexpr int COLUMN_TILES = COLUMNS / 16;    // tiles of 16 columns
constexpr int STRETCHES = HIDDEN / 32;        // stretches of 32 inputs; a lane reads 8 inputs of each
constexpr int MATRIX = COLUMNS * HIDDEN / 8;  // uint4s of one slice of weights
constexpr int THREADS = 32 * GROUPS * SPLITS;
constexpr int PASS = 16 * GROUPS;      // streams of one tile of all groups
constexpr int CHUNK = TILES * PASS;    // streams that a block computes at the same time
constexpr bool IS_SINGLE_CHUNK = STREAMS <= CHUNK;  // the cells of a thread then stay in registers
constexpr int PAIRS = UNITS / 2;       // pairs of units of a block
constexpr int PER_THREAD = (PASS * PAIRS + THREADS - 1) / THREADS;  // pairs of a thread in a pass
constexpr int WARP_STRETCHES = (STRETCHES + SPLITS - 1) / SPLITS;   // stretches of a warp
constexpr int MAX_AHEAD = TILES == 1 ? 8 : 2;  // stretches that fit into registers
constexpr int AHEAD = WARP_STRETCHES < MAX_AHEAD ? WARP_STRETCHES : MAX_AHEAD;
constexpr unsigned EMPTY = 0xffffffffu;  // no conversion returns this pair: a NaN is 0x7fff
constexpr Half NOT_A_NUMBER = 0x7fff;    // in both formats

typedef float Sums[TILES][2][COLUMN_TILES][4];  // each element: the sums of 8 streams and 16 columns
typedef uint4 Stretch[TILES][2];

__device__ inline int warp_group() { return threadIdx.x / 32 / SPLITS; }

__device__ inline int warp_split() { return threadIdx.x / 32 % SPLITS; }

// Return the index of 16 bytes of weights in shared memory, in the order in which `multiply` reads them.
// For 16 columns, 32 inputs and a lane there are two uint4s, one for each of two instructions.
__device__ inline int weights_index(int tile, int stretch, int lane) {
    return (tile * STRETCHES + stretch) * 64 + lane;
}

// Store 8 weights of each of two columns, which are 8 columns apart, for a lane's two instructions.
__device__ inline void store_weights(uint4* target, uint4 upper, uint4 lower) {
    target[0] = {upper.x, lower.x, upper.y, lower.y};
    target[32] = {upper.z, lower.z, upper.w, lower.w};
}

// The addresses of a lane's streams in a matrix. Lanes without a stream read the last stream, so that all
// lanes of a warp execute the same instructions.
struct Rows {
    const Half* rows[TILES][2];

    __device__ Rows(const Half* source_BH, int stride, int first) {
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const int row = warp_group() * 16 + half * 8 + threadIdx.x % 32 / 4;
                const int stream = first + tile * PASS + row;
                const int begin = warp_split() * WARP_STRETCHES * 32 + threadIdx.x % 4 * 8;
                rows[tile][half] =
                    source_BH + ((stream < STREAMS ? stream : STREAMS - 1) * stride + begin);
            }
    }

    // Load 8 inputs of each stream, from the stretch `index`, counted from the first stretch of the warp.
    __device__ void load(Stretch& stretch, int index) const {
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int half = 0; half < 2; half++)
                stretch[tile][half] = load_published((const uint4*)(rows[tile][half] + index * 32));
    }
};

// Return whether all lanes have all values of a stretch.
__device__ inline bool is_complete(const Stretch& stretch) {
    unsigned highest = 0;
    auto update_highest = [&](unsigned word) { highest = word > highest ? word : highest; };
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const uint4 words = stretch[tile][half];
            update_highest(words.x), update_highest(words.y);
            update_highest(words.z), update_highest(words.w);
        }
    return !any_lane(highest == EMPTY);
}

// sums += weights @ stretch. The instruction takes the values 2c, 2c + 1, 2c + 8 and 2c + 9 of 16 from lane c
// of four. The terms of a product can be added in any order. So lane c instead reads 8 adjacent values of 32
// from both factors, and passes four of them to each of two instructions.
__device__ inline void multiply(Sums& sums, const uint4* weights, const Stretch& stretch) {
#pragma unroll
    for (int second = 0; second < 2; second++)
#pragma unroll
        for (int column_tile = 0; column_tile < COLUMN_TILES; column_tile++) {
            const uint4 columns = weights[weights_index(column_tile, 0, 0) + second * 32];
            const Pair a[4] = {columns.x, columns.y, columns.z, columns.w};
#pragma unroll
            for (int tile = 0; tile < TILES; tile++)
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const uint4 row = stretch[tile][half];
                    const Pair b[2] = {second ? row.z : row.x, second ? row.w : row.y};
                    multiply_add(sums[tile][half][column_tile], a, b);
                }
        }
}

// sums += weights @ source, transposed, for the inputs and the streams of a warp. `stride` is the number of
// values from one row of the source to the next. Waits for the values; returns false after SPINS loads.
__device__ inline bool add_product(
    Sums& sums, const uint4* weights, const Half* source_BH, int stride, int first
) {
    const Rows rows(source_BH, stride, first);
    Stretch stretches[AHEAD];
    const int begin = warp_split() * WARP_STRETCHES;
    const bool is_full = STRETCHES % SPLITS == 0 || begin + WARP_STRETCHES <= STRETCHES;
    const int count = is_full ? WARP_STRETCHES : STRETCHES - begin;
#pragma unroll
    for (int n = 0; n < AHEAD; n++)
        if (n < count) rows.load(stretches[n], n);
    const uint4* lane_weights = weights + weights_index(0, begin, threadIdx.x % 32);
    unsigned spins = 0;
    for (bool is_waiting = true; is_waiting;) {
        is_waiting = false;
#pragma unroll
        for (int n = 0; n < AHEAD; n++)
            if (n < count && !is_complete(stretches[n])) {
                rows.load(stretches[n], n);
                is_waiting = true;
            }
        if (is_waiting && ++spins == SPINS) return false;
    }
#pragma unroll
    for (int n = 0; n < WARP_STRETCHES; n++) {
        if (n >= count) break;
        Stretch& stretch = stretches[n % AHEAD];
        while (n >= AHEAD && !is_complete(stretch)) {
            if (++spins == SPINS) return false;
            rows.load(stretch, n);
        }
        multiply(sums, lane_weights + weights_index(0, n, 0), stretch);
        if (n + AHEAD < WARP_STRETCHES && n + AHEAD < count)
            rows.load(stretch, n + AHEAD);
    }
    return true;
}

// Return the address of a partial sum of a pass in an array [SPLITS][PASS][COLUMNS]. The columns of each
// row are permuted, so that the lanes of a warp use different banks of shared memory.
__device__ inline float* partial_address(float* partials, int split, int row, int column) {
    const int swizzle = row / 2 % 4 * 8 ^ row % 2 * 16;
    return partials + (split * PASS + row) * COLUMNS + (column & ~24) + (column & 24 ^ swizzle);
}

__device__ inline void store_partials(float* partials, const float (&sums)[2][COLUMN_TILES][4]) {
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
        for (int column_tile = 0; column_tile < COLUMN_TILES; column_tile++)
#pragma unroll
            for (int n = 0; n < 4; n++) {
                const int row = warp_group() * 16 + half * 8 + threadIdx.x % 4 * 2 + n % 2;
                const int column = column_tile * 16 + n / 2 * 8 + threadIdx.x % 32 / 4;
                *partial_address(partials, warp_split(), row, column) = sums[half][column_tile][n];
            }
}

__device__ inline float2& float2_at(float* address) { return *(float2*)address; }

__device__ inline float2 float2_at(const float* address) { return *(const float2*)address; }

__device__ inline float2 add(float2 a, float2 b) { return {a.x + b.x, a.y + b.y}; }

__device__ inline float2 sum_of_partials(float* partials, int row, int column) {
    float2 sum = {0.0f, 0.0f};
#pragma unroll
    for (int split = 0; split < SPLITS; split++)
        sum = add(sum, float2_at(partial_address(partials, split, row, column)));
    return sum;
}

// A pair of units of a block and a stream. One thread computes it in all steps.
struct Element {
    int row, stream, unit;  // the stream within the pass and the batch; the first unit within the block
    bool exists;

    __device__ Element(int first, int tile, int n) {
        const int index = threadIdx.x + n * THREADS;
        row = index / PAIRS, unit = index % PAIRS * 2, stream = first + tile * PASS + row;
        exists = row < PASS && stream < STREAMS;
    }
};

// Mark the results of a block as invalid after a timeout. The block writes nothing after this.
__device__ inline void write_nan(Half* slice_BU, int stride) {
    for (int index = threadIdx.x; index < STREAMS * UNITS; index += THREADS)
        slice_BU[(long long)(index / UNITS) * stride + index % UNITS] = NOT_A_NUMBER;
}

__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

__device__ inline float tanh_of(float x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }
