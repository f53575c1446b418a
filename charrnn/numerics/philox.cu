// Fill several arrays with the random bytes of numpy's Philox4x64-10 (Salmon et al., 2011, "Parallel random
// numbers: as easy as 1, 2, 3"). Each thread computes the four words of one counter value.
//
// Shape suffixes: M arrays, N words of all arrays.

typedef unsigned long long Word;

struct Arguments {
    Word* words_N;        // all arrays, each padded to a multiple of four words
    const Word* keys_M2;  // two words of the key of each array
    const Word* ends_M;   // number of counter values of the arrays up to and including this one
    Word counters;        // number of counter values of all arrays
};

extern "C" __global__ void draw(Arguments arguments) {
    const Word index = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (index >= arguments.counters) return;
    unsigned array = 0;
    while (index >= arguments.ends_M[array]) array++;
    const Word first = array ? arguments.ends_M[array - 1] : 0;
    Word key0 = arguments.keys_M2[2 * array], key1 = arguments.keys_M2[2 * array + 1];
    Word x0 = index - first + 1, x1 = 0, x2 = 0, x3 = 0;  // numpy increments the counter first
    for (int round = 0; round < 10; round++) {
        const Word product0 = 0xD2E7470EE14C6C93 * x0, high0 = __umul64hi(0xD2E7470EE14C6C93, x0);
        const Word product2 = 0xCA5A826395121157 * x2, high2 = __umul64hi(0xCA5A826395121157, x2);
        x0 = high2 ^ x1 ^ key0, x1 = product2, x2 = high0 ^ x3 ^ key1, x3 = product0;
        key0 += 0x9E3779B97F4A7C15, key1 += 0xBB67AE8584CAA73B;
    }
    Word* words = arguments.words_N + 4 * index;
    words[0] = x0, words[1] = x1, words[2] = x2, words[3] = x3;
}
