// All layers of an LSTM over all steps of time as one kernel that stays on the chip: forward.cu and
// backward.cu. Here is what they share. wavefront.py allocates what they read and write, and
// multiplies what does not depend on time.
//
// Each block keeps its slice of the weights in shared memory from beginning to end (persistent
// RNNs: Diamos et al., 2016), and the layers run as a wavefront: in wave w layer l is at step w - l.
// So what a layer needs, its own last output and that of the layer below, is from the wave before,
// and one barrier a wave serves all layers. All blocks must run at one time: a cooperative launch.
//
// Compiled at the user's by NVRTC, behind chip.cu, for one size:
//   HIDDEN   units of a layer, a multiple of 4 * UNITS
//   UNITS    units of a block: 8 or 16
//   TILES    tiles of 16 streams that a warp works on at one time
//   THREADS  of a block
//   FLOAT16  1: vectors and weights are float16, 0: bfloat16. Sums, cells and gates are float32.
//
// Shape suffixes: T steps, B streams, V characters, H units, L layers, M layers but one, G gate rows
// (4H: i, f, g, o), S groups of four slices, U units of a group (4 UNITS).

#ifndef SPINS
#define SPINS (1u << 24)  // looks at a counter before a block gives up: some ten seconds
#endif

constexpr int GATES = 4 * HIDDEN;
constexpr int SLICES = HIDDEN / UNITS;
constexpr int COLUMNS = 4 * UNITS;     // of a block's products: forward gate rows, backward units
constexpr int PER_GATE = UNITS / 8;    // tiles of 8 columns
constexpr int ACROSS = COLUMNS / 8;    // tiles of 8 columns
constexpr int ALONG = HIDDEN / 32;     // stretches of 32 numbers that a lane reads 8 of at one time
constexpr int MATRIX = COLUMNS * HIDDEN / 8;      // uint4s of one slice of weights
constexpr int TOGETHER = TILES * 16;              // streams of a warp
constexpr int AT_ONCE = THREADS / 32 * TOGETHER;  // streams of a block
constexpr int AHEAD = 4;               // stretches on their way while others are multiplied
constexpr Half NOT_A_NUMBER = 0x7fff;  // in both formats

typedef float Sums[TILES][ACROSS][4];
typedef uint4 Stretch[TILES][2];

// The stream whose sums [tile][...][2 * below + ...] a lane holds, and the first of its two columns
// in each tile of 8. Where there are fewer streams than places the last one is read again and again,
// so that lanes stay together; nothing of that is written.
__device__ inline int stream_of(int first, int tile, int below) {
    return first + tile * 16 + below * 8 + threadIdx.x % 32 / 4;
}

__device__ inline int at_most(int stream, int streams) {
    return stream < streams ? stream : streams - 1;
}

__device__ inline int pair_of_columns() { return threadIdx.x % 4 * 2; }

// Bring COLUMNS rows of HIDDEN numbers into shared memory, in the order in which `multiply` reads.
// Tile n of 8 rows begins at row n / per * apart + n % per * 8; `stride` numbers lie between rows.
__device__ inline void keep(uint4* kept, const Half* rows, int stride, int per, int apart) {
    for (int place = threadIdx.x; place < MATRIX; place += THREADS) {
        const int lane = place % 32, along = place / 32 % ALONG, across = place / 32 / ALONG;
        const long long row = across / per * apart + across % per * 8 + lane / 4;
        kept[place] = *(const uint4*)(rows + row * stride + along * 32 + lane % 4 * 8);
    }
}

__device__ inline void fetch(
    Stretch& stretch, const Half* source_BH, int stride, int first, int streams, int along
) {
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int below = 0; below < 2; below++) {
            const long long stream = at_most(stream_of(first, tile, below), streams);
            const Half* from = source_BH + stream * stride + along * 32 + threadIdx.x % 4 * 8;
            stretch[tile][below] = fresh((const uint4*)from);
        }
}

// sums += source @ kept rows, transposed, for the streams of a warp from `first` on.
//
// A product does not care for the order of what it adds up. So instead of the numbers 2c, 2c + 1,
// 2c + 8, 2c + 9 of 16, as the instruction counts, a lane c of four reads 8 that lie side by side,
// of 32, from both factors, and gives four of them to each of two instructions.
__device__ inline void multiply(
    Sums& sums, const uint4* kept, const Half* source_BH, int stride, int first, int streams
) {
    Stretch coming[AHEAD];
    __syncwarp();
#pragma unroll
    for (int ahead = 0; ahead < AHEAD; ahead++)
        if (ahead < ALONG) fetch(coming[ahead], source_BH, stride, first, streams, ahead);
    for (int from = 0; from < ALONG; from += AHEAD) {
#pragma unroll
        for (int ahead = 0; ahead < AHEAD; ahead++) {
            const int along = from + ahead;
            if (along >= ALONG) break;
            uint4 weights[ACROSS];
#pragma unroll
            for (int across = 0; across < ACROSS; across++)
                weights[across] = kept[(across * ALONG + along) * 32 + threadIdx.x % 32];
#pragma unroll
            for (int second = 0; second < 2; second++)
#pragma unroll
                for (int tile = 0; tile < TILES; tile++) {
                    const uint4 upper = coming[ahead][tile][0], lower = coming[ahead][tile][1];
                    const Pair a[4] = {
                        second ? upper.z : upper.x, second ? lower.z : lower.x,
                        second ? upper.w : upper.y, second ? lower.w : lower.y,
                    };
#pragma unroll
                    for (int across = 0; across < ACROSS; across++) {
                        const uint4 w = weights[across];
                        const Pair b[2] = {second ? w.z : w.x, second ? w.w : w.y};
                        multiply_add(sums[tile][across], a, b);
                    }
                }
            if (along + AHEAD < ALONG)
                fetch(coming[ahead], source_BH, stride, first, streams, along + AHEAD);
        }
    }
}

// Wait until `expected` blocks have arrived, this one too: all they wrote can be read then. False
// where they do not come, in all threads of the block.
__device__ inline bool meet(unsigned* counter, unsigned expected) {
    bool missed = false;
    __syncthreads();
    if (threadIdx.x == 0) {
        arrive(counter);
        unsigned spins = 0;
        while (arrived(counter) < expected && !missed) missed = ++spins == SPINS;
        see();
    }
    return !__syncthreads_or(missed);
}

// Where a barrier failed: the results must not look like some. The last that a block would write.
__device__ inline void spoil(Half* slice_BU, int stride, int streams) {
    for (int place = threadIdx.x; place < streams * UNITS; place += THREADS)
        slice_BU[(long long)(place / UNITS) * stride + place % UNITS] = NOT_A_NUMBER;
}

__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

__device__ inline float tanh_of(float x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }

__device__ inline float2& two(float* place) { return *(float2*)place; }

__device__ inline float2 two(const float* place) { return *(const float2*)place; }
