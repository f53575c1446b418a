// The gates of an LSTM layer for one character of each sample. A thread computes 4 adjacent units of a
// sample, or 1 if the number of units is not a multiple of 4. NVRTC compiles this after float16.cu.
//
// Shape suffixes: B samples, H units, G gate rows (4H: i, f, g, o), R rows of a table.

constexpr int CELL_THREADS = 256;  // of a block

struct CellArguments {
    const float* sums_BG;     // sums of products
    const float* table_RG;    // added to the sums: biases, in the first layer with weights of characters
    const long long* rows_B;  // row of the table for each sample; null: the first row for all
    float* cells_BH;          // replaced by the new cells
    void* hidden_BH;          // new hidden units
    long long stride;         // numbers from one row of hidden units to the next
    long long is_float16;     // whether hidden units are float16, else float32
    float* outputs_BH;        // new hidden units again, in float32; null: not needed
    long long samples, units;
};

// Adjacent numbers that are loaded and stored by one instruction.
template <int WIDTH>
struct alignas(4 * WIDTH) Floats {
    float at[WIDTH];
};

template <int WIDTH>
struct alignas(2 * WIDTH) Halves {
    Half at[WIDTH];
};

__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

__device__ inline float tanh_of(float x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }

template <int WIDTH>
__device__ inline void compute_units(const CellArguments& arguments, unsigned index) {
    typedef Floats<WIDTH> Units;
    const unsigned threads = unsigned(arguments.units) / WIDTH;  // of a sample; 64-bit division is slow
    const long long units = arguments.units, sample = index / threads, unit = index % threads * WIDTH;
    if (sample >= arguments.samples) return;
    const long long row = arguments.rows_B ? arguments.rows_B[sample] : 0;
    Units gates[4];
#pragma unroll
    for (int gate = 0; gate < 4; gate++) {
        const long long column = gate * units + unit;
        gates[gate] = *(const Units*)(arguments.sums_BG + 4 * units * sample + column);
        const Units added = *(const Units*)(arguments.table_RG + 4 * units * row + column);
#pragma unroll
        for (int n = 0; n < WIDTH; n++) gates[gate].at[n] += added.at[n];
    }
    Units* cells = (Units*)(arguments.cells_BH + units * sample + unit);
    Units cell = *cells, hidden;
#pragma unroll
    for (int n = 0; n < WIDTH; n++) {
        const float retained = sigmoid(gates[1].at[n]) * cell.at[n];
        cell.at[n] = retained + sigmoid(gates[0].at[n]) * tanh_of(gates[2].at[n]);
        hidden.at[n] = sigmoid(gates[3].at[n]) * tanh_of(cell.at[n]);
    }
    *cells = cell;
    const long long place = arguments.stride * sample + unit;
    if (arguments.is_float16) {
        Halves<WIDTH> rounded;
#pragma unroll
        for (int n = 0; n < WIDTH; n++) rounded.at[n] = to_half(hidden.at[n]);
        *(Halves<WIDTH>*)((Half*)arguments.hidden_BH + place) = rounded;
    } else {
        *(Units*)((float*)arguments.hidden_BH + place) = hidden;
    }
    if (arguments.outputs_BH) *(Units*)(arguments.outputs_BH + units * sample + unit) = hidden;
}

extern "C" __global__ void lstm_cell(CellArguments arguments) {
    const unsigned index = blockIdx.x * CELL_THREADS + threadIdx.x;
    if (arguments.units % 4 == 0)
        compute_units<4>(arguments, index);
    else
        compute_units<1>(arguments, index);
}
