/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the convolution of one block of LANES output channels with the vector
 * types of GCC and Clang. esr_kernels.c includes this file once for each size.
 *
 * Four pixels share each load of weights. Beyond the end of the row the last pixel is computed
 * again, which stores the same values again.
 */
#define GLUE(name, lanes) name##_##lanes
#define EXPAND(name, lanes) GLUE(name, lanes)
#define NAMED(name) EXPAND(name, LANES)

typedef uint32_t NAMED(vector) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAMED(ints) __attribute__((vector_size(4 * LANES)));
typedef int16_t NAMED(shorts) __attribute__((vector_size(2 * LANES)));
typedef int8_t NAMED(bytes) __attribute__((vector_size(LANES), aligned(1)));

/* Requantize and store the lanes of a pixel: esr_store(esr_multiply(...)). */
ESR_INLINE void NAMED(store)(const block *b, const NAMED(vector) *sums, uint32_t pixel)
{
    uint32_t values[LANES];

    memcpy(values, sums, sizeof values);
    if (b->outputs >= LANES) {
        store(b->args, values, pixel, b->out_first, LANES);
    } else {
        store(b->args, values, pixel, b->out_first, b->outputs);
    }
}

ESR_HOT static void NAMED(conv)(const block *b)
{
    const esr_conv *args = b->args;
    const uint32_t last = args->pixels - 1, run = b->run;
    uint32_t bias[LANES] = {0};
    NAMED(vector) start;

    memcpy(bias, args->bias + b->out_first, b->outputs * sizeof *bias);
    memcpy(&start, bias, sizeof start);
    for (uint32_t pixel = 0; pixel <= last; pixel += 4) {
        const uint32_t rest = last - pixel;
        const size_t step = (size_t)args->stride_w * args->in_channels;
        const size_t d1 = (rest < 1 ? rest : 1) * step;
        const size_t d2 = (rest < 2 ? rest : 2) * step;
        const size_t d3 = (rest < 3 ? rest : 3) * step;
        const int8_t *weights = b->weights;
        NAMED(vector) s0 = start, s1 = start, s2 = start, s3 = start;

        for (uint32_t y = 0; y < args->kernel_h; y++) {
            const int8_t *in =
                esr_window_row(&args->in, y * esr_dilation_h(args)) + pixel * step + b->in_first;

            for (uint32_t tap = 0; tap < b->taps; tap++, in += b->step) {
                for (uint32_t first = 0; first < run; first += WIDENED) {
                    const uint32_t count = min_u32(run - first, WIDENED);
                    int16_t x[4][WIDENED];

                    widen(x[0], in + first, count);
                    widen(x[1], in + first + d1, count);
                    widen(x[2], in + first + d2, count);
                    widen(x[3], in + first + d3, count);
                    for (uint32_t i = 0; i < count; i++, weights += LANES) {
                        const NAMED(shorts) w = __builtin_convertvector(
                            *(const NAMED(bytes) *)(const void *)weights, NAMED(shorts));

                        s0 += (NAMED(vector))__builtin_convertvector(w * x[0][i], NAMED(ints));
                        s1 += (NAMED(vector))__builtin_convertvector(w * x[1][i], NAMED(ints));
                        s2 += (NAMED(vector))__builtin_convertvector(w * x[2][i], NAMED(ints));
                        s3 += (NAMED(vector))__builtin_convertvector(w * x[3][i], NAMED(ints));
                    }
                }
            }
        }
        NAMED(store)(b, &s0, pixel);
        NAMED(store)(b, &s1, pixel + (rest < 1 ? rest : 1));
        NAMED(store)(b, &s2, pixel + (rest < 2 ? rest : 2));
        NAMED(store)(b, &s3, pixel + (rest < 3 ? rest : 3));
    }
}

#undef GLUE
#undef EXPAND
#undef NAMED
