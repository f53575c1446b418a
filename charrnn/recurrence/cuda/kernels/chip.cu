// What the kernels ask of an NVIDIA GPU from the Ampere generation on, in its own assembly language:
// NVRTC has no headers that would give it names. On a processor, this file is replaced by
// tests/recurrence/cuda/emulation/cuda.h.

typedef unsigned short Half;  // a number in 16 bits
typedef unsigned int Pair;    // two of them, the first in the lower half

#define SHARED(name) extern __shared__ uint4 name[]

// sums += a @ b: a 16 x 16, b 16 x 8, each lane holding its share of both and of the sums.
// Who holds what: PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type".
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

__device__ inline Pair narrow(float2 wide) {  // rounds to the nearest; PTX wants the upper first
    Pair pair;
#if FLOAT16
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(wide.y), "f"(wide.x));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(wide.y), "f"(wide.x));
#endif
    return pair;
}

__device__ inline float2 widen(Pair pair) {
    float2 wide;
#if FLOAT16
    asm("{.reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
        : "=f"(wide.x), "=f"(wide.y) : "r"(pair));
#else
    wide.x = __uint_as_float(pair << 16);
    wide.y = __uint_as_float(pair & 0xffff0000u);
#endif
    return wide;
}

// What other blocks wrote is read past the first cache, which knows nothing of their writes.
__device__ inline uint4 fresh(const uint4* place) {
    uint4 found;
    asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(found.x), "=r"(found.y), "=r"(found.z), "=r"(found.w)
                 : "l"(place) : "memory");
    return found;
}

__device__ inline float2 fresh(const float2* place) {
    float2 found;
    asm volatile("ld.global.cg.v2.f32 {%0, %1}, [%2];"
                 : "=f"(found.x), "=f"(found.y) : "l"(place) : "memory");
    return found;
}

__device__ inline void prefetch(const float* place) {  // into the second cache
    asm volatile("prefetch.global.L2 [%0];" :: "l"(place));
}

__device__ inline void arrive(unsigned* counter) {  // what was written before is seen before this
    asm volatile("fence.acq_rel.gpu; red.relaxed.gpu.global.add.u32 [%0], 1;"
                 :: "l"(counter) : "memory");
}

__device__ inline unsigned arrived(const unsigned* counter) {
    unsigned count;
    asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(count) : "l"(counter) : "memory");
    return count;
}

__device__ inline void see() {  // what is read after this was not read before it
    asm volatile("fence.acq_rel.gpu;" ::: "memory");
}
