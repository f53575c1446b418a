// Sample a code from each row of logits in float64, like filters.py with only temperature and min-p. A block
// of one warp computes a row. Each lane has adjacent codes.
//
// Shape suffixes: B samples, V characters of the vocabulary.

constexpr int LANES = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;
constexpr float LOWEST = -3.402823466e38f;

struct DrawArguments {
    const float* logits_BV;
    const double* uniforms_B;
    long long* codes_B;  // the results
    long long characters;
    double temperature, min_p;
};

extern "C" __global__ void draw(DrawArguments arguments) {
    const int lane = threadIdx.x, characters = arguments.characters;
    const int share = (characters + LANES - 1) / LANES, first = lane * share;
    const int end = first + share < characters ? first + share : characters;
    const float* logits_V = arguments.logits_BV + (long long)blockIdx.x * characters;

    float highest = LOWEST, second = LOWEST;
    auto include = [&](float logit) {
        const float lower = logit < highest ? logit : highest;
        second = lower > second ? lower : second;
        highest = logit > highest ? logit : highest;
    };
    for (int code = first; code < end; code++) include(logits_V[code]);
    for (int distance = 1; distance < LANES; distance *= 2) {
        const float other = __shfl_xor_sync(ALL_LANES, highest, distance);
        const float other_second = __shfl_xor_sync(ALL_LANES, second, distance);
        include(other);
        include(other_second);
    }

    // The ratio of a probability to the largest one; NaN for a logit that is NaN.
    auto ratio = [&](float logit) {
        return exp((double(logit) - highest) / arguments.temperature);
    };
    const double second_ratio = ratio(second);
    const double lowest = second_ratio < arguments.min_p ? second_ratio : arguments.min_p;
    // 0 for a character that min-p removes; it keeps at least two.
    auto weight = [&](int code) {
        const double kept = ratio(logits_V[code]);
        return kept >= lowest ? kept : 0.0;
    };
    double sum = 0.0;
    for (int code = first; code < end; code++) sum += weight(code);
    for (int distance = 1; distance < LANES; distance *= 2) {  // add the sums of all lower lanes
        const double below = __shfl_up_sync(ALL_LANES, sum, distance);
        if (lane >= distance) sum += below;
    }
    const double total = __shfl_sync(ALL_LANES, sum, LANES - 1);
    const double threshold = arguments.uniforms_B[blockIdx.x] * total;

    // Find the first possible code whose cumulative sum exceeds the threshold. If there is none because of
    // rounding, take the last possible code.
    double cumulative = __shfl_up_sync(ALL_LANES, sum, 1);
    if (lane == 0) cumulative = 0.0;
    int sampled = characters, possible = -1;
    for (int code = first; code < end; code++) {
        const double added = weight(code);
        cumulative += added;
        if (added > 0.0) possible = code;
        if (added > 0.0 && cumulative > threshold && code < sampled) sampled = code;
    }
    for (int distance = 1; distance < LANES; distance *= 2) {
        const int earlier = __shfl_xor_sync(ALL_LANES, sampled, distance);
        const int later = __shfl_xor_sync(ALL_LANES, possible, distance);
        sampled = earlier < sampled ? earlier : sampled;
        possible = later > possible ? later : possible;
    }
    if (sampled == characters) sampled = possible < 0 ? 0 : possible;  // 0 if all logits are NaN
    if (lane == 0) arguments.codes_B[blockIdx.x] = sampled;
}
