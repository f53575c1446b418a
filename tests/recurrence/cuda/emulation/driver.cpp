// The functions of the CUDA driver that charrnn calls, for a CPU. They launch the kernels that are compiled
// into this library.

#include "cuda.h"

#include "slice.cu"

#include "forward.cu"

#include "backward.cu"

enum { SUCCESS = 0, INVALID_VALUE = 1, INVALID_CONTEXT = 201, NOT_FOUND = 500 };

static int context, module;
static int dynamic_shared;
static unsigned absent;  // number of blocks that never start

extern "C" {
void omit_blocks(unsigned blocks) { absent = blocks; }

int cuCtxGetCurrent(void** current) {
    *current = &context;
    return SUCCESS;
}

int cuCtxSetCurrent(void* selected) { return selected == &context ? SUCCESS : INVALID_CONTEXT; }

int cuModuleLoadData(void** loaded, const void* image) {
    *loaded = &module;
    return image ? SUCCESS : INVALID_VALUE;
}

int cuModuleGetFunction(void** function, void* from, const char* name) {
    const bool is_backward = !std::strcmp(name, "backward");
    *function = is_backward ? (void*)&backward : (void*)&forward;
    return from == &module && (is_backward || !std::strcmp(name, "forward")) ? SUCCESS : NOT_FOUND;
}

int cuFuncSetAttribute(void* function, int attribute, int value) {
    dynamic_shared = value;
    return function && attribute == 8 ? SUCCESS : INVALID_VALUE;
}

int cuLaunchCooperativeKernel(
    void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
    unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream, void** parameters
) {
    if (grid_y != 1 || grid_z != 1 || block_x != THREADS || block_y != 1 || block_z != 1 || stream)
        return INVALID_VALUE;
    const size_t expected = 2 * MATRIX * sizeof(uint4) + SPLITS * PASS * COLUMNS * sizeof(float);
    if (shared_bytes != unsigned(dynamic_shared) || shared_bytes != expected) return INVALID_VALUE;
    if (function == (void*)&forward)
        run_grid(forward, grid_x, absent, THREADS, shared_bytes, parameters[0]);
    else
        run_grid(backward, grid_x, absent, THREADS, shared_bytes, parameters[0]);
    return SUCCESS;
}

int cuGetErrorString(int code, const char** text) {
    *text = code == INVALID_VALUE ? "invalid argument" : "some other error";
    return SUCCESS;
}
}
