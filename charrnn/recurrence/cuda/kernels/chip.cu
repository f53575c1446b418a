// The instructions of an NVIDIA GPU (Ampere or newer) that the kernels use, as inline PTX, because NVRTC
// has no headers that provide them. On a CPU, tests/recurrence/cuda/emulation/cuda.h replaces this file.

typedef unsigned short Half;  // a 16-bit floating-point number
typedef unsigned int Pair;    // two 16-bit numbers, the first one in the lower half

#define SHARED(name) extern __shared__ uint4 name[]

// sums += a @ b for a 16 x 16 matrix a and a 16 x 8 matrix b. Each lane holds its fragments.
// Fragments: PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type".
__device__ inline void multiply_add(float (&sums)[4], const Pair (&a)[4], const Pair (&b)[2]) {
#if FLOAT16
#define INSTRUCTION "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#else
#define INSTRUCTION "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#endif
    asm volatile(INSTRUCTION " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ inline Pair to_pair(float2 numbers) {  // rounds to nearest; PTX takes the upper first
    Pair pair;
#if FLOAT16
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(numbers.y), "f"(numbers.x));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(numbers.y), "f"(numbers.x));
#endif
    return pair;
}

__device__ inline float2 to_float2(Pair pair) {
    float2 numbers;
#if FLOAT16
    asm("{.reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
        : "=f"(numbers.x), "=f"(numbers.y) : "r"(pair));
#else
    numbers.x = __uint_as_float(pair << 16);
    numbers.y = __uint_as_float(pair & 0xffff0000u);
#endif
    return numbers;
}

// Blocks exchange values by relaxed stores and loads of 32-bit words. A load returns the old or the new word,
// never a mixture.
__device__ inline void publish(Pair* address, Pair pair) {
    asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" :: "l"(address), "r"(pair) : "memory");
}

__device__ inline void publish(uint2* address, uint2 words) {
    asm volatile("st.relaxed.gpu.global.v2.u32 [%0], {%1, %2};"
                 :: "l"(address), "r"(words.x), "r"(words.y) : "memory");
}

__device__ inline uint4 load_published(const uint4* address) {
    uint4 words;
    asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
                 : "l"(address) : "memory");
    return words;
}

__device__ inline uint2 load_published(const uint2* address) {
    uint2 words;
    asm volatile("ld.relaxed.gpu.global.v2.u32 {%0, %1}, [%2];"
                 : "=r"(words.x), "=r"(words.y) : "l"(address) : "memory");
    return words;
}

__device__ inline void prefetch(const float* address) {  // into the L2 cache
    asm volatile("prefetch.global.L2 [%0];" :: "l"(address));
}

__device__ inline bool any_lane(bool condition) { return __any_sync(0xffffffffu, condition); }
