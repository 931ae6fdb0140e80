/*
 * Kernels for x86-64 with AVX-512 (VNNI and VBMI: Ice Lake, Zen 4, and later).
 */
#include "esr_x86.h"

#if ESR_X86

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")))
#define AVX512_INLINE static inline AVX512 __attribute__((always_inline))

/* --- convolutions
 *
 * An instruction multiplies four unsigned bytes with four signed ones and adds the products, in
 * each of 16 lanes. Lanes are output channels; four neighbouring taps of a kernel's row are one
 * step. A tile of the input is copied with its signs flipped, which adds 128 to each value; what
 * this adds to the sums is taken out of the bias.
 */
#define LANES 16
#define TAPS 4    /* of a step */
#define PIXELS 12 /* whose sums stay in registers */
#define TILE_PIXELS (8 * PIXELS)
#define TILE_BYTES 16384
#define MOST_STEPS 512
#define MOST_RIGHT 22 /* a larger shift leaves no room in 64 bits for a zero point */

/* A block of at most 16 output channels of one group, ready to run. */
typedef struct x86_block {
    const esr_conv *args;
    uint32_t inputs;    /* channels of the group */
    uint32_t in_first;  /* the group's first input channel */
    uint32_t out_first; /* the block's first output channel */
    uint32_t outputs;   /* of the block */
    uint32_t run;       /* taps of a kernel's row */
    uint32_t steps;     /* of a kernel's row */
    uint32_t pixels;    /* of a tile at most; a multiple of PIXELS */
    uint32_t stride;    /* of a tile's rows, in bytes */
    int32_t plain;      /* whether requantize() is exact */
    __m512i start;      /* of the sums */
    __m512i multiplier[2]; /* of even and odd lanes, like the next three */
    __m512i rest[2];
    __m512i below[2];
    __m512i shift[2];
    const __m512i *weights;
    const uint8_t *tile;
} x86_block;

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t round_up(uint32_t value, uint32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

AVX512_INLINE __mmask64 first_bytes(uint32_t count)
{
    return count >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;
}

AVX512_INLINE __mmask16 first_lanes(uint32_t count)
{
    return (__mmask16)((1u << count) - 1);
}

/* From [four taps][lanes] to [lanes][four taps], all rows of the kernel; lanes that are not there
 * become 0. `weights` is left where the next block's start. */
AVX512_INLINE void arrange_weights(const x86_block *b, __m512i *to, const int8_t *weights,
                                   uint32_t lanes)
{
    uint8_t order[64];
    __m512i index;

    for (uint32_t i = 0; i < 64; i++) {
        order[i] = (uint8_t)(i % TAPS * lanes + i / TAPS % lanes);
    }
    index = _mm512_loadu_si512(order);
    for (uint32_t y = 0; y < b->args->kernel_h; y++) {
        for (uint32_t tap = 0; tap < b->run; tap += TAPS) {
            const uint32_t taps = least(b->run - tap, TAPS);
            const __m512i raw = _mm512_maskz_loadu_epi8(first_bytes(taps * lanes), weights);

            *to++ = _mm512_maskz_permutexvar_epi8(first_bytes(TAPS * lanes), index, raw);
            weights += taps * lanes;
        }
    }
}

/* The bias, less what flipped signs add. */
AVX512_INLINE __m512i start_of(const x86_block *b)
{
    const __m512i flipped = _mm512_set1_epi8(INT8_MIN);
    const uint32_t steps = b->args->kernel_h * b->steps;
    __m512i sums = _mm512_setzero_si512();

    for (uint32_t i = 0; i < steps; i++) {
        sums = _mm512_dpbusd_epi32(sums, flipped, b->weights[i]);
    }
    return _mm512_sub_epi32(
        _mm512_maskz_loadu_epi32(first_lanes(b->outputs), b->args->bias + b->out_first), sums);
}

/*
 * (high product + 2^(right - 1) - (sum < 0)) / 2^right + zero point, where the high product is
 * (sum * multiplier + 2^30) / 2^31: all of it added first and shifted once.
 */
AVX512_INLINE void prepare_scales(x86_block *b)
{
    int64_t multiplier[2][8] = {{0}}, rest[2][8] = {{0}}, below[2][8] = {{0}}, shift[2][8] = {{0}};

    b->plain = 1;
    for (uint32_t i = 0; i < b->outputs; i++) {
        const esr_scale scale = b->args->scales[b->out_first + i];
        const int32_t right = -scale.shift;

        if (right < 0 || right > MOST_RIGHT) {
            b->plain = 0;
            return;
        }
        multiplier[i % 2][i / 2] = scale.multiplier;
        rest[i % 2][i / 2] =
            ((int64_t)1 << 30) + b->args->out_zero_point * ((int64_t)1 << (31 + right)) +
            (right > 0 ? (int64_t)1 << (30 + right) : 0);
        below[i % 2][i / 2] = right > 0 ? -((int64_t)1 << 31) : 0;
        shift[i % 2][i / 2] = 31 + right;
    }
    for (uint32_t odd = 0; odd < 2; odd++) {
        b->multiplier[odd] = _mm512_loadu_si512(multiplier[odd]);
        b->rest[odd] = _mm512_loadu_si512(rest[odd]);
        b->below[odd] = _mm512_loadu_si512(below[odd]);
        b->shift[odd] = _mm512_loadu_si512(shift[odd]);
    }
}

AVX512_INLINE __m512i requantize_half(const x86_block *b, __m512i sums, uint32_t odd)
{
    const __m512i product = _mm512_mul_epi32(sums, b->multiplier[odd]);
    const __m512i sum = _mm512_add_epi64(product, b->rest[odd]);

    return _mm512_srav_epi64(
        _mm512_mask_add_epi64(sum, _mm512_movepi64_mask(product), sum, b->below[odd]),
        b->shift[odd]);
}

/* A pixel's sums as outputs that are not clamped yet. */
AVX512_INLINE __m512i requantize(const x86_block *b, __m512i sums)
{
    const __m512i even = requantize_half(b, sums, 0);
    const __m512i odd = requantize_half(b, _mm512_srli_epi64(sums, 32), 1);

    return _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, (_MM_PERM_ENUM)0xa0);
}

AVX512_INLINE void store_plain(const x86_block *b, __m512i sums, uint32_t pixel)
{
    const esr_conv *args = b->args;
    const __m128i bytes = _mm512_cvtsepi32_epi8(requantize(b, sums));
    const __m128i clamped =
        _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8((char)args->low)), _mm_set1_epi8((char)args->high));

    _mm_mask_storeu_epi8(args->out + (size_t)pixel * args->out_channels + b->out_first,
                         first_lanes(b->outputs), clamped);
}

static AVX512 void store_any(const x86_block *b, __m512i sums, uint32_t pixel)
{
    const esr_conv *args = b->args;
    int8_t *out = args->out + (size_t)pixel * args->out_channels + b->out_first;
    int32_t values[LANES];

    _mm512_storeu_si512(values, sums);
    for (uint32_t i = 0; i < b->outputs; i++) {
        out[i] = esr_store(esr_multiply(values[i], args->scales[b->out_first + i]),
                           args->out_zero_point, args->low, args->high);
    }
}

AVX512_INLINE void fill_row(uint8_t *to, const int8_t *from, uint32_t bytes, uint32_t stride)
{
    const __m512i flip = _mm512_set1_epi8(INT8_MIN);

    for (uint32_t i = 0; i < stride; i += 64) {
        const __mmask64 mask = i < bytes ? first_bytes(bytes - i) : 0;

        _mm512_store_si512(to + i,
                           _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from + i), flip));
    }
}

AVX512_INLINE void fill_tile(const x86_block *b, uint8_t *tile, uint32_t first)
{
    const esr_conv *args = b->args;
    const uint32_t pixels = least(args->pixels - first, b->pixels) + args->kernel_w - 1;

    for (uint32_t y = 0; y < args->kernel_h; y++, tile += b->stride) {
        const int8_t *from =
            esr_window_row(&args->in, y) + (size_t)first * args->in_channels + b->in_first;

        if (args->groups == 1) {
            fill_row(tile, from, pixels * b->inputs, b->stride);
        } else {
            memset(tile, 0, b->stride);
            for (uint32_t i = 0; i < pixels * b->inputs; i++) {
                tile[i] = (uint8_t)from[(size_t)(i / b->inputs) * args->in_channels + i % b->inputs] ^
                          0x80;
            }
        }
    }
}

AVX512_INLINE __m512i four(const uint8_t *taps)
{
    int32_t word;

    memcpy(&word, taps, sizeof word);
    return _mm512_set1_epi32(word);
}

AVX512_INLINE void add_products(const x86_block *b, uint32_t pixel, __m512i sums[PIXELS])
{
    const size_t step = b->inputs, three = 3 * step;
    const __m512i *weights = b->weights;
    const uint8_t *row = b->tile + (size_t)pixel * step;

    for (uint32_t y = 0; y < b->args->kernel_h; y++, row += b->stride) {
        const uint8_t *x = row;

        for (uint32_t i = 0; i < b->steps; i++, x += TAPS) {
            const __m512i w = *weights++;

#pragma GCC unroll 12
            for (uint32_t p = 0; p < PIXELS; p += 4) {
                const uint8_t *from = x + p * step;

                sums[p] = _mm512_dpbusd_epi32(sums[p], four(from), w);
                sums[p + 1] = _mm512_dpbusd_epi32(sums[p + 1], four(from + step), w);
                sums[p + 2] = _mm512_dpbusd_epi32(sums[p + 2], four(from + 2 * step), w);
                sums[p + 3] = _mm512_dpbusd_epi32(sums[p + 3], four(from + three), w);
            }
        }
    }
}

AVX512_INLINE void run_pixels(const x86_block *b, uint32_t first, uint32_t pixel)
{
    const uint32_t count = least(b->args->pixels - first - pixel, PIXELS);
    __m512i sums[PIXELS];

    for (uint32_t p = 0; p < PIXELS; p++) {
        sums[p] = b->start;
    }
    add_products(b, pixel, sums);
    for (uint32_t p = 0; p < count; p++) {
        if (b->plain) {
            store_plain(b, sums[p], first + pixel + p);
        } else {
            store_any(b, sums[p], first + pixel + p);
        }
    }
}

static AVX512 void run_block(const x86_block *b, uint8_t *tile)
{
    for (uint32_t first = 0; first < b->args->pixels; first += b->pixels) {
        const uint32_t count = least(b->args->pixels - first, b->pixels);

        fill_tile(b, tile, first);
        for (uint32_t pixel = 0; pixel < count; pixel += PIXELS) {
            run_pixels(b, first, pixel);
        }
    }
}

static uint32_t stride_of(const x86_block *b, uint32_t pixels)
{
    return round_up((pixels - 1 + b->args->kernel_w) * b->inputs + TAPS - 1, 64);
}

/* Whether the weights and a tile fit in the memory here. */
static int set_tile(x86_block *b)
{
    if (b->args->kernel_h * b->steps > MOST_STEPS) {
        return 0;
    }
    b->pixels = least(round_up(b->args->pixels, PIXELS), TILE_PIXELS);
    while (b->args->kernel_h * stride_of(b, b->pixels) > TILE_BYTES) {
        if (b->pixels == PIXELS) {
            return 0;
        }
        b->pixels -= PIXELS;
    }
    b->stride = stride_of(b, b->pixels);
    return 1;
}

static AVX512 void avx512_conv_row(const esr_conv *args)
{
    const uint32_t outputs = args->out_channels / args->groups;
    const int8_t *weights = args->weights;
    __m512i arranged[MOST_STEPS];
    uint8_t tile[TILE_BYTES] __attribute__((aligned(64)));
    x86_block b;

    b.args = args;
    b.inputs = args->in_channels / args->groups;
    b.run = args->kernel_w * b.inputs;
    b.steps = (b.run + TAPS - 1) / TAPS;
    b.weights = arranged;
    b.tile = tile;
    if (!set_tile(&b)) {
        esr_conv_row(args);
        return;
    }
    for (uint32_t group = 0; group < args->groups; group++) {
        b.in_first = group * b.inputs;
        for (uint32_t done = 0; done < outputs; done += b.outputs) {
            const uint32_t lanes = esr_conv_lanes(outputs - done);

            b.out_first = group * outputs + done;
            b.outputs = least(outputs - done, lanes);
            arrange_weights(&b, arranged, weights, lanes);
            weights += (size_t)args->kernel_h * b.run * lanes;
            b.start = start_of(&b);
            prepare_scales(&b);
            run_block(&b, tile);
        }
    }
}

/* --- sets */

static const esr_x86_kernels portable = {esr_conv_row,  esr_depthwise_row, esr_slopes_row,
                                         esr_table_row, esr_sum_row,       esr_copy_row};
static const esr_x86_kernels avx512 = {avx512_conv_row, esr_depthwise_row, esr_slopes_row,
                                       esr_table_row,   esr_sum_row,       esr_copy_row};

static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
}

const esr_x86_kernels *esr_x86_choose(esr_kernel_set *most)
{
    if (*most >= ESR_KERNELS_AVX512 && has_avx512()) {
        *most = ESR_KERNELS_AVX512;
        return &avx512;
    }
    *most = ESR_KERNELS_PORTABLE;
    return &portable;
}

#endif
