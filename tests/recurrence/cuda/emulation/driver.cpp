// The driver's functions that charrnn calls, as cuda.h of the CUDA toolkit declares them, for a GPU
// that is a processor: what they launch are the kernels, compiled into this library.

#include "cuda.h"

#include "slice.cu"

#include "forward.cu"

#include "backward.cu"

enum { SUCCESS = 0, INVALID_VALUE = 1, INVALID_CONTEXT = 201, NOT_FOUND = 500 };

static int context, module;
static int dynamic_shared;
static unsigned absent;  // blocks that never start, as if they did not fit

extern "C" {
void leave_out(unsigned blocks) { absent = blocks; }

int cuCtxGetCurrent(void** found) {
    *found = &context;
    return SUCCESS;
}

int cuCtxSetCurrent(void* wanted) { return wanted == &context ? SUCCESS : INVALID_CONTEXT; }

int cuModuleLoadData(void** found, const void* image) {
    *found = &module;
    return image ? SUCCESS : INVALID_VALUE;
}

int cuModuleGetFunction(void** found, void* from, const char* name) {
    const bool back = !std::strcmp(name, "backward");
    *found = back ? (void*)&backward : (void*)&forward;
    return from == &module && (back || !std::strcmp(name, "forward")) ? SUCCESS : NOT_FOUND;
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
    const size_t wanted = 2 * MATRIX * sizeof(uint4) + SPLITS * PASS * COLUMNS * sizeof(float);
    if (shared_bytes != unsigned(dynamic_shared) || shared_bytes != wanted) return INVALID_VALUE;
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
