// Replaces chip.cu on a CPU. Each CUDA thread is a thread of the operating system, and the barriers are those
// of the standard library. The matrix instruction follows its documentation, not its use in the kernels.

#pragma once

#include <atomic>
#include <barrier>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

typedef uint16_t Half;
typedef uint32_t Pair;

#define __device__
#define __global__
#define __launch_bounds__(...)

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(8) float2 {
    float x, y;
};
struct Index {
    unsigned x;
};

struct Warp {
    std::barrier<> all{32};
    float a[2][16][16], b[2][16][8];  // of two instructions in turn
    std::atomic<int> votes[3] = {0, 0, 0};
};

struct Block {
    Block(int threads, long long bytes) : all(threads), warps(threads / 32), shared(bytes / 16) {}
    std::barrier<> all;
    std::vector<Warp> warps;
    std::vector<uint4> shared;
    std::atomic<int> votes[3] = {0, 0, 0};  // of this poll, the one before and the next
};

static thread_local Index threadIdx, blockIdx;
static Index gridDim;
static thread_local Block* block;
static thread_local unsigned polls, warp_polls, instructions;

inline Warp& warp() { return block->warps[threadIdx.x / 32]; }
inline void __syncthreads() { block->all.arrive_and_wait(); }
inline void __syncwarp() { warp().all.arrive_and_wait(); }

inline int __syncthreads_or(int vote) {
    const unsigned poll = polls++;
    if (vote) block->votes[poll % 3] = 1;
    __syncthreads();
    if (threadIdx.x == 0) block->votes[(poll + 2) % 3] = 0;
    return block->votes[poll % 3];
}

inline bool any_lane(bool condition) {
    const unsigned poll = warp_polls++;
    if (condition) warp().votes[poll % 3] = 1;
    __syncwarp();
    if (threadIdx.x % 32 == 0) warp().votes[(poll + 2) % 3] = 0;
    return warp().votes[poll % 3];
}

inline unsigned __float_as_uint(float number) {
    unsigned bits;
    std::memcpy(&bits, &number, 4);
    return bits;
}

inline float __uint_as_float(unsigned bits) {
    float number;
    std::memcpy(&number, &bits, 4);
    return number;
}

inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float x, float y) { return x / y; }

#define SHARED(name) uint4* name = block->shared.data()

inline float from_half(Half bits) {
#if FLOAT16
    _Float16 half;
    std::memcpy(&half, &bits, 2);
    return half;
#else
    const uint32_t wide = uint32_t(bits) << 16;
    float number;
    std::memcpy(&number, &wide, 4);
    return number;
#endif
}

inline Half to_half(float number) {
#if FLOAT16
    const _Float16 half = number;
    Half bits;
    std::memcpy(&bits, &half, 2);
    return bits;
#else
    uint32_t bits;
    std::memcpy(&bits, &number, 4);
    if (number != number) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;  // to the nearest, ties to even
#endif
}

inline Pair to_pair(float2 numbers) {
    return to_half(numbers.x) | Pair(to_half(numbers.y)) << 16;
}
inline float2 to_float2(Pair pair) { return {from_half(pair & 0xffff), from_half(pair >> 16)}; }

inline void store_word(unsigned* address, unsigned word) {
    std::atomic_ref(*address).store(word, std::memory_order_relaxed);
}
inline unsigned load_word(const unsigned* address) {
    return std::atomic_ref(*const_cast<unsigned*>(address)).load(std::memory_order_relaxed);
}

inline void publish(Pair* address, Pair pair) { store_word(address, pair); }
inline void publish(uint2* address, uint2 words) {
    store_word(&address->x, words.x), store_word(&address->y, words.y);
}
inline uint4 load_published(const uint4* address) {
    return {load_word(&address->x), load_word(&address->y), load_word(&address->z), load_word(&address->w)};
}
inline uint2 load_published(const uint2* address) {
    std::this_thread::yield();
    return {load_word(&address->x), load_word(&address->y)};
}

inline void prefetch(const float*) {}

// mma.sync.aligned.m16n8k16.row.col with float32 sums. Element i of a lane's share, from PTX ISA,
// "Matrix Fragments for mma.m16n8k16 with floating point type":
//   a: row = groupID for 0 <= i < 2 || 4 <= i < 6, groupID + 8 otherwise;
//      column = threadID_in_group * 2 + (i & 1) for i < 4, that + 8 for i >= 4
//   b: row = threadID_in_group * 2 + (i & 1) for i < 2, that + 8 for i >= 2; column = groupID
//   c: row = groupID for i < 2, groupID + 8 for i >= 2; column = threadID_in_group * 2 + (i & 1)
// where groupID = lane >> 2 and threadID_in_group = lane % 4.
inline void multiply_add(float (&sums)[4], const Pair (&a)[4], const Pair (&b)[2]) {
    const unsigned lane = threadIdx.x % 32, group = lane >> 2, in_group = lane % 4;
    const unsigned turn = instructions++ % 2;
    auto& a_MK = warp().a[turn];
    auto& b_KN = warp().b[turn];
    auto element = [](const Pair* registers, unsigned i) {
        return from_half(registers[i / 2] >> 16 * (i % 2) & 0xffff);
    };
    for (unsigned i = 0; i < 8; i++) {
        const bool upper = i < 2 || (4 <= i && i < 6);
        a_MK[group + (upper ? 0 : 8)][in_group * 2 + (i & 1) + (i < 4 ? 0 : 8)] = element(a, i);
    }
    for (unsigned i = 0; i < 4; i++)
        b_KN[in_group * 2 + (i & 1) + (i < 2 ? 0 : 8)][group] = element(b, i);
    __syncwarp();
    for (unsigned i = 0; i < 4; i++) {
        const unsigned row = group + (i < 2 ? 0 : 8), column = in_group * 2 + (i & 1);
        double sum = sums[i];
        for (unsigned k = 0; k < 16; k++) sum += double(a_MK[row][k]) * b_KN[k][column];
        sums[i] = sum;
    }
}

// Run all threads of all blocks except the last `absent` blocks; return when they have ended.
template <typename Arguments>
void run_grid(
    void (*kernel)(Arguments), unsigned blocks, unsigned absent, unsigned threads,
    long long shared_bytes, const void* values
) {
    Arguments arguments;
    std::memcpy(&arguments, values, sizeof(arguments));
    gridDim.x = blocks;
    std::vector<std::unique_ptr<Block>> grid;
    std::vector<std::thread> running;
    for (unsigned b = 0; b + absent < blocks; b++) {
        grid.push_back(std::make_unique<Block>(threads, shared_bytes));
        for (unsigned t = 0; t < threads; t++)
            running.emplace_back([=, own = grid.back().get()] {
                threadIdx.x = t, blockIdx.x = b, block = own;
                kernel(arguments);
            });
    }
    for (auto& thread : running) thread.join();
}
