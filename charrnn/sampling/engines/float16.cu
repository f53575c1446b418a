// Rounding to float16 as inline PTX: NVRTC has no header that provides it. On a CPU,
// tests/sampling/engines/emulation/driver.cpp replaces this file.

typedef unsigned short Half;

__device__ inline Half to_half(float number) {  // to the nearest, ties to even
    Half half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(number));
    return half;
}
