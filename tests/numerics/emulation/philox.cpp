// The kernel of random bytes on a CPU, behind the functions of the CUDA driver that charrnn calls.

#define __global__

struct Index {
    unsigned x;
};
static Index blockIdx, blockDim, threadIdx;

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}

#include "philox.cu"

#include "cuda_driver.h"

extern "C" {
int cuModuleGetFunction(void** function, void* from, const char* name) {
    *function = (void*)&draw;
    return from == &module && !std::strcmp(name, "draw") ? SUCCESS : NOT_FOUND;
}

int cuLaunchKernel(
    void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
    unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream, void** parameters,
    void** extra
) {
    if (function != (void*)&draw || grid_x == 0 || block_x > 1024 || shared_bytes || stream || extra)
        return INVALID_VALUE;
    if (grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1) return INVALID_VALUE;
    blockDim.x = block_x;
    for (blockIdx.x = 0; blockIdx.x < grid_x; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < block_x; threadIdx.x++)
            draw(*(const Arguments*)parameters[0]);
    return SUCCESS;
}
}
