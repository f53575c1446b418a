// The kernels of step_kernels.py on a CPU, behind the functions of the CUDA driver that charrnn calls.
// The threads of a block of `draw`, which exchange numbers, run at the same time; those of `lstm_cell`
// run one after another. float16.cu is replaced by the conversion of the compiler.

#define FLOAT16 1
#include "cuda.h"

// Return to each lane the value of another lane.
template <typename Number>
Number exchange(Number own, int lane) {
    Number* numbers = (Number*)block->shared.data();
    numbers[threadIdx.x] = own;
    __syncwarp();
    const Number other = numbers[lane];
    __syncwarp();
    return other;
}

template <typename Number>
Number __shfl_sync(unsigned, Number own, int lane) { return exchange(own, lane); }

template <typename Number>
Number __shfl_xor_sync(unsigned, Number own, int mask) { return exchange(own, threadIdx.x ^ mask); }

template <typename Number>
Number __shfl_up_sync(unsigned, Number own, int distance) {
    const int lane = int(threadIdx.x) - distance;
    return exchange(own, lane < 0 ? threadIdx.x : lane);
}

#include "lstm_cell.cu"

#include "draw.cu"

#include "../../../numerics/emulation/cuda_driver.h"

extern "C" {
int cuModuleGetFunction(void** function, void* from, const char* name) {
    const bool is_cell = !std::strcmp(name, "lstm_cell");
    *function = is_cell ? (void*)&lstm_cell : (void*)&draw;
    return from == &module && (is_cell || !std::strcmp(name, "draw")) ? SUCCESS : NOT_FOUND;
}

int cuLaunchKernel(
    void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
    unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream, void** parameters,
    void** extra
) {
    const bool is_cell = function == (void*)&lstm_cell;
    if (grid_x == 0 || block_x != (is_cell ? CELL_THREADS : LANES) || shared_bytes || stream || extra)
        return INVALID_VALUE;
    if (grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1) return INVALID_VALUE;
    if (!is_cell) {
        run_grid(draw, grid_x, 0, LANES, 16 * LANES, parameters[0]);
        return SUCCESS;
    }
    for (blockIdx.x = 0; blockIdx.x < grid_x; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < CELL_THREADS; threadIdx.x++)
            lstm_cell(*(const CellArguments*)parameters[0]);
    return SUCCESS;
}
}
