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
#define TAPS 4     /* of a step */
#define VECTORS 12 /* of sums, which stay in registers; a multiple of 4 */
#define BYTES 64   /* of a vector */
#define TILE_PIXELS 96
#define TILE_BYTES 16384
#define MOST_STEPS 512

/* A block of output channels of one group, ready to run. Two pixels share a vector if there are at
 * most 8 channels, and four if there are at most 4. Slots beyond the channels hold anything. */
typedef struct block {
    const esr_conv *args;
    uint32_t inputs;    /* channels of the group */
    uint32_t in_first;  /* the group's first input channel */
    uint32_t out_first; /* the block's first output channel */
    uint32_t outputs;   /* of the block */
    uint32_t lanes;     /* in which its weights come, at least as many */
    uint32_t packed;    /* pixels of a vector */
    uint32_t slots;     /* lanes for each of them, at least as many */
    uint32_t run;       /* taps of a kernel's row */
    uint32_t steps;     /* of a kernel's row */
    uint32_t pixels;    /* of a tile at most; a multiple of VECTORS * packed */
    uint32_t stride;    /* of a tile's rows, in bytes */
    int32_t plain;      /* whether requantize() is exact */
    __m512i spread;     /* where in 64 inputs a vector's taps are, if it holds several pixels */
    __m512i start;      /* of the sums */
    __m512i multiplier[2]; /* of even and odd lanes, like the next three */
    __m512i rest[2];
    __m512i below[2];
    __m512i shift[2];
    __m512i gather;     /* where the outputs of four vectors are */
    const __m512i *weights;
    const uint8_t *tile;
} block;

AVX512_INLINE __mmask64 first_bytes(size_t count)
{
    return count >= BYTES ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;
}

/* From [four taps][lanes] to [pixels of a vector][lanes][four taps], all rows of the kernel. */
AVX512_INLINE void arrange_weights(const block *b, __m512i *to, const int8_t *weights)
{
    uint8_t order[BYTES];
    __m512i index;

    for (uint32_t i = 0; i < BYTES; i++) {
        order[i] = (uint8_t)(i % TAPS * b->lanes + i / TAPS % b->lanes);
    }
    index = _mm512_loadu_si512(order);
    for (uint32_t y = 0; y < b->args->kernel_h; y++) {
        for (uint32_t tap = 0; tap < b->run; tap += TAPS) {
            const uint32_t bytes = esr_least(b->run - tap, TAPS) * b->lanes;

            *to++ = _mm512_permutexvar_epi8(
                index, _mm512_maskz_loadu_epi8(first_bytes(bytes), weights));
            weights += bytes;
        }
    }
}

/* The bias, less what flipped signs add. */
AVX512_INLINE __m512i start_of(const block *b)
{
    const __m512i flipped = _mm512_set1_epi8(INT8_MIN);
    const uint32_t steps = b->args->kernel_h * b->steps;
    int32_t bias[LANES] = {0};
    __m512i sums = _mm512_setzero_si512();

    for (uint32_t i = 0; i < LANES; i++) {
        if (i % b->lanes < b->outputs) {
            bias[i] = b->args->bias[b->out_first + i % b->lanes];
        }
    }
    for (uint32_t i = 0; i < steps; i++) {
        sums = _mm512_dpbusd_epi32(sums, flipped, b->weights[i]);
    }
    return _mm512_sub_epi32(_mm512_loadu_si512(bias), sums);
}

/* Of even and odd lanes; unusual scales leave it to store_any(). */
AVX512_INLINE void prepare_scales(block *b)
{
    int64_t multiplier[LANES] = {0}, rest[LANES] = {0}, below[LANES] = {0}, shift[LANES] = {0};

    b->plain = 1;
    for (uint32_t i = 0; i < LANES; i++) {
        const uint32_t place = i % 2 * (LANES / 2) + i / 2, output = i % b->lanes;
        const uint32_t channel = b->out_first + esr_least(output, b->outputs - 1);
        esr_wide_scale wide;

        if (!esr_widen_scale(&wide, b->args->scales[channel], b->args->out_zero_point)) {
            b->plain = 0;
            return;
        }
        multiplier[place] = wide.multiplier;
        rest[place] = wide.rest;
        below[place] = wide.below;
        shift[place] = wide.shift;
    }
    for (uint32_t odd = 0; odd < 2; odd++) {
        b->multiplier[odd] = _mm512_loadu_si512(multiplier + odd * (LANES / 2));
        b->rest[odd] = _mm512_loadu_si512(rest + odd * (LANES / 2));
        b->below[odd] = _mm512_loadu_si512(below + odd * (LANES / 2));
        b->shift[odd] = _mm512_loadu_si512(shift + odd * (LANES / 2));
    }
}

/* Orders of bytes: of a vector's taps in the input, and of the outputs in what pack() gives. */
AVX512_INLINE void prepare_orders(block *b)
{
    uint8_t spread[BYTES], gather[BYTES];

    for (uint32_t i = 0; i < BYTES; i++) {
        const uint32_t pixel = i / TAPS / b->slots;
        const uint32_t lane = i / b->outputs * b->slots + i % b->outputs;

        spread[i] = (uint8_t)(pixel * b->inputs + i % TAPS);
        gather[i] = (uint8_t)(lane % LANES / 4 * 16 + lane / LANES * 4 + lane % 4);
    }
    b->spread = _mm512_loadu_si512(spread);
    b->gather = _mm512_loadu_si512(gather);
}

AVX512_INLINE __m512i requantize_half(const block *b, __m512i sums, uint32_t odd)
{
    const __m512i product = _mm512_mul_epi32(sums, b->multiplier[odd]);
    const __m512i sum = _mm512_add_epi64(product, b->rest[odd]);

    return _mm512_srav_epi64(
        _mm512_mask_add_epi64(sum, _mm512_movepi64_mask(product), sum, b->below[odd]),
        b->shift[odd]);
}

/* A vector's sums as outputs that are not clamped yet. */
AVX512_INLINE __m512i requantize(const block *b, __m512i sums)
{
    const __m512i even = requantize_half(b, sums, 0);
    const __m512i odd = requantize_half(b, _mm512_srli_epi64(sums, 32), 1);

    return _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, (_MM_PERM_ENUM)0xa0);
}

/* Four vectors saturated to bytes; lane l of vector v comes to byte l / 4 * 16 + v * 4 + l % 4. */
AVX512_INLINE __m512i pack(__m512i a, __m512i b, __m512i c, __m512i d)
{
    return _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}

AVX512_INLINE __m512i clamp(__m512i bytes, int32_t low, int32_t high)
{
    return _mm512_min_epi8(_mm512_max_epi8(bytes, _mm512_set1_epi8((char)low)),
                           _mm512_set1_epi8((char)high));
}

/* Four vectors' outputs, of `count` pixels. */
AVX512_INLINE void store_plain(const block *b, const __m512i *sums, uint32_t pixel,
                               uint32_t count)
{
    const esr_conv *args = b->args;
    const __m512i bytes = _mm512_permutexvar_epi8(
        b->gather, clamp(pack(requantize(b, sums[0]), requantize(b, sums[1]),
                              requantize(b, sums[2]), requantize(b, sums[3])),
                         args->low, args->high));
    int8_t *out = args->out + (size_t)pixel * args->out_channels + b->out_first;
    int8_t values[BYTES];

    if (b->outputs == args->out_channels) {
        _mm512_mask_storeu_epi8(out, first_bytes(count * b->outputs), bytes);
        return;
    }
    _mm512_storeu_si512(values, bytes);
    for (uint32_t i = 0; i < count; i++, out += args->out_channels) {
        memcpy(out, values + i * b->outputs, b->outputs);
    }
}

/* The same for any scales. */
static AVX512 void store_any(const block *b, const __m512i *sums, uint32_t pixel,
                             uint32_t count)
{
    const esr_conv *args = b->args;
    int8_t *out = args->out + (size_t)pixel * args->out_channels + b->out_first;
    int32_t values[4 * LANES];

    memcpy(values, sums, sizeof values);
    for (uint32_t i = 0; i < count; i++, out += args->out_channels) {
        for (uint32_t j = 0; j < b->outputs; j++) {
            out[j] = esr_store(esr_multiply(values[i * b->slots + j],
                                            args->scales[b->out_first + j]),
                               args->out_zero_point, args->low, args->high);
        }
    }
}

AVX512_INLINE void store(const block *b, const __m512i *sums, uint32_t pixel, uint32_t count)
{
    if (b->plain) {
        store_plain(b, sums, pixel, count);
    } else {
        store_any(b, sums, pixel, count);
    }
}

/* The first `bytes` of a row with flipped signs; what is behind them is filled with something. */
AVX512_INLINE void fill_row(uint8_t *to, const int8_t *from, uint32_t bytes, uint32_t stride)
{
    const __m512i flip = _mm512_set1_epi8(INT8_MIN);

    for (uint32_t i = 0; i < stride; i += BYTES) {
        const __mmask64 mask = i < bytes ? first_bytes(bytes - i) : 0;

        _mm512_store_si512(to + i,
                           _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from + i), flip));
    }
}

/* The same for some channels of `pixels` pixels. */
static AVX512 void fill_group_row(const block *b, uint8_t *to, const int8_t *from,
                                  uint32_t pixels)
{
    memset(to, 0, b->stride);
    for (; pixels > 0; pixels--, from += b->args->in_channels) {
        for (uint32_t i = 0; i < b->inputs; i++) {
            *to++ = (uint8_t)from[i] ^ 0x80;
        }
    }
}

AVX512_INLINE void fill_tile(const block *b, uint8_t *tile, uint32_t first)
{
    const esr_conv *args = b->args;
    const uint32_t pixels = esr_least(args->pixels - first, b->pixels) + args->kernel_w - 1;

    for (uint32_t y = 0; y < args->kernel_h; y++, tile += b->stride) {
        const int8_t *from =
            esr_window_row(&args->in, y) + (size_t)first * args->in_channels + b->in_first;

        if (args->groups == 1) {
            fill_row(tile, from, pixels * b->inputs, b->stride);
        } else {
            fill_group_row(b, tile, from, pixels);
        }
    }
}

/* Four taps for every lane; with several pixels in a vector, for the lanes of each its own. */
AVX512_INLINE __m512i four_taps(const block *b, const uint8_t *taps, int packed)
{
    int32_t word;

    if (packed) {
        return _mm512_permutexvar_epi8(b->spread, _mm512_loadu_si512(taps));
    }
    memcpy(&word, taps, sizeof word);
    return _mm512_set1_epi32(word);
}

AVX512_INLINE void add_products(const block *b, uint32_t pixel, __m512i *sums, int packed)
{
    const size_t step = (size_t)b->inputs * b->packed;
    const __m512i *weights = b->weights;
    const uint8_t *row = b->tile + (size_t)pixel * b->inputs;

    for (uint32_t y = 0; y < b->args->kernel_h; y++, row += b->stride) {
        const uint8_t *x = row;

        for (uint32_t i = 0; i < b->steps; i++, x += TAPS) {
            const __m512i w = *weights++;

#pragma GCC unroll 3
            for (uint32_t v = 0; v < VECTORS; v += 4) {
                const uint8_t *from = x + v * step;

                sums[v] = _mm512_dpbusd_epi32(sums[v], four_taps(b, from, packed), w);
                sums[v + 1] =
                    _mm512_dpbusd_epi32(sums[v + 1], four_taps(b, from + step, packed), w);
                sums[v + 2] =
                    _mm512_dpbusd_epi32(sums[v + 2], four_taps(b, from + 2 * step, packed), w);
                sums[v + 3] =
                    _mm512_dpbusd_epi32(sums[v + 3], four_taps(b, from + 3 * step, packed), w);
            }
        }
    }
}

/* As many pixels as VECTORS hold, or what is left of the row; `pixel` is counted in the tile. */
AVX512_INLINE void run_pixels(const block *b, uint32_t first, uint32_t pixel, int packed)
{
    const uint32_t count = esr_least(b->args->pixels - first - pixel, VECTORS * b->packed);
    __m512i sums[VECTORS];

    for (uint32_t v = 0; v < VECTORS; v++) {
        sums[v] = b->start;
    }
    add_products(b, pixel, sums, packed);
#pragma GCC unroll 3
    for (uint32_t v = 0; v < VECTORS; v += 4) {
        /* A copy, so that those above have no address and stay in registers. */
        const __m512i some[4] = {sums[v], sums[v + 1], sums[v + 2], sums[v + 3]};
        const uint32_t done = v * b->packed;

        if (done < count) {
            store(b, some, first + pixel + done, esr_least(count - done, 4 * b->packed));
        }
    }
}

AVX512_INLINE void run_block(const block *b, uint8_t *tile, int packed)
{
    for (uint32_t first = 0; first < b->args->pixels; first += b->pixels) {
        const uint32_t count = esr_least(b->args->pixels - first, b->pixels);

        fill_tile(b, tile, first);
        for (uint32_t pixel = 0; pixel < count; pixel += VECTORS * b->packed) {
            run_pixels(b, first, pixel, packed);
        }
    }
}

static AVX512 void run_single(const block *b, uint8_t *tile)
{
    run_block(b, tile, 0);
}

static AVX512 void run_packed(const block *b, uint8_t *tile)
{
    run_block(b, tile, 1);
}

/* A row of a tile, and what a step reads behind it. */
static uint32_t stride_of(const block *b, uint32_t pixels)
{
    return esr_round_up((pixels - 1 + b->args->kernel_w) * b->inputs + BYTES, BYTES);
}

/* Whether the weights and a tile fit in the memory here. */
static int set_tile(block *b)
{
    const uint32_t pixels = VECTORS * b->packed;

    if (b->args->kernel_h * b->steps > MOST_STEPS) {
        return 0;
    }
    b->pixels = esr_least(esr_round_up(b->args->pixels, pixels), TILE_PIXELS);
    while (b->args->kernel_h * stride_of(b, b->pixels) > TILE_BYTES) {
        if (b->pixels == pixels) {
            return 0;
        }
        b->pixels -= pixels;
    }
    b->stride = stride_of(b, b->pixels);
    return 1;
}
/* Choose how the block is run, and get all ready but the weights. */
AVX512_INLINE int prepare_block(block *b, uint32_t left)
{
    b->lanes = esr_conv_lanes(left);
    b->outputs = esr_least(left, b->lanes);
    b->packed = LANES / b->lanes;
    if ((b->packed - 1) * b->inputs + TAPS > BYTES) {
        b->packed = 1;
    }
    b->slots = LANES / b->packed;
    prepare_orders(b);
    prepare_scales(b);
    return set_tile(b);
}

static AVX512 void avx512_conv_row(const esr_conv *args)
{
    const uint32_t outputs = args->out_channels / args->groups;
    const int8_t *weights = args->weights;
    __m512i arranged[MOST_STEPS];
    uint8_t tile[TILE_BYTES] __attribute__((aligned(64)));
    block b;

    b.args = args;
    b.inputs = args->in_channels / args->groups;
    b.run = args->kernel_w * b.inputs;
    b.steps = (b.run + TAPS - 1) / TAPS;
    b.weights = arranged;
    b.tile = tile;
    for (b.out_first = 0; b.out_first < args->out_channels; b.out_first += b.outputs) {
        b.in_first = b.out_first / outputs * b.inputs;
        if (!prepare_block(&b, outputs - b.out_first % outputs)) {
            esr_conv_row(args);
            return;
        }
        arrange_weights(&b, arranged, weights);
        weights += (size_t)args->kernel_h * b.run * b.lanes;
        b.start = start_of(&b);
        (b.packed > 1 ? run_packed : run_single)(&b, tile);
    }
}

/* --- values by themselves */

static AVX512 void avx512_table_row(const int8_t *in, int8_t *out, const int8_t *table,
                                    size_t count)
{
    const __m512i below[2] = {_mm512_loadu_si512(table), _mm512_loadu_si512(table + 64)};
    const __m512i above[2] = {_mm512_loadu_si512(table + 128), _mm512_loadu_si512(table + 192)};

    for (size_t i = 0; i < count; i += BYTES) {
        const __mmask64 mask = first_bytes(count - i);
        const __m512i x = _mm512_maskz_loadu_epi8(mask, in + i);

        /* An instruction takes seven bits of a value, the sign is the eighth. */
        _mm512_mask_storeu_epi8(
            out + i, mask,
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(x),
                                   _mm512_permutex2var_epi8(above[0], x, above[1]),
                                   _mm512_permutex2var_epi8(below[0], x, below[1])));
    }
}

/* An esr_side in all lanes. */
typedef struct side {
    __m512i high;
    __m512i low;
    __m512i rest;
    __m512i below;
    __m512i right;
} side;

AVX512_INLINE side side_of(esr_scale scale)
{
    const esr_side one = esr_side_of(scale);
    const side side = {_mm512_set1_epi32(one.high), _mm512_set1_epi32(one.low),
                       _mm512_set1_epi32(one.rest), _mm512_set1_epi32(one.below),
                       _mm512_set1_epi32(one.right)};

    return side;
}

typedef struct slopes {
    side positive;
    side negative;
    __m512i in_zero_point;
} slopes;

/* 16 values, before the zero point is added. */
AVX512_INLINE __m512i slopes_16(const slopes *s, const int8_t *in, const int8_t *alpha)
{
    const side *p = &s->positive, *n = &s->negative;
    const __m512i bytes = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)in));
    const __m512i x = _mm512_sub_epi32(bytes, s->in_zero_point);
    const __mmask16 is = _mm512_movepi32_mask(x);
    const __m512i factor = _mm512_mask_cvtepi8_epi32(
        _mm512_set1_epi32(1), is, _mm_loadu_si128((const __m128i *)(const void *)alpha));
    const __m512i value = _mm512_mullo_epi32(x, factor);
    const __m512i low = _mm512_srai_epi32(
        _mm512_mullo_epi32(value, _mm512_mask_blend_epi32(is, p->low, n->low)), 16);
    const __m512i high =
        _mm512_mullo_epi32(value, _mm512_mask_blend_epi32(is, p->high, n->high));
    const __m512i sum = _mm512_add_epi32(
        _mm512_add_epi32(high, low), _mm512_mask_blend_epi32(is, p->rest, n->rest));

    return _mm512_srav_epi32(
        _mm512_mask_add_epi32(sum, _mm512_movepi32_mask(value), sum, n->below),
        _mm512_mask_blend_epi32(is, p->right, n->right));
}

/* 64 values, of which those that `mask` names are stored. */
AVX512_INLINE void slopes_64(const slopes *s, const esr_slopes *args, const int8_t *in,
                             const int8_t *alpha, int8_t *out, __mmask64 mask)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i zero_point = _mm512_set1_epi16((int16_t)args->out_zero_point);
    const __m512i left =
        _mm512_packs_epi32(slopes_16(s, in, alpha), slopes_16(s, in + 16, alpha + 16));
    const __m512i right =
        _mm512_packs_epi32(slopes_16(s, in + 32, alpha + 32), slopes_16(s, in + 48, alpha + 48));
    const __m512i bytes = _mm512_packs_epi16(_mm512_adds_epi16(left, zero_point),
                                             _mm512_adds_epi16(right, zero_point));

    _mm512_mask_storeu_epi8(out, mask,
                            clamp(_mm512_permutexvar_epi32(order, bytes), args->low, args->high));
}

static AVX512 void slopes_by_channel(const esr_slopes *args)
{
    const slopes s = {side_of(args->positive), side_of(args->negative),
                      _mm512_set1_epi32(args->in_zero_point)};
    const size_t count = (size_t)args->pixels * args->channels, whole = count / BYTES * BYTES;
    int8_t alpha[ESR_MOST_ALPHAS + BYTES], rest[BYTES] = {0};
    uint32_t channel = 0;

    esr_repeat_alphas(alpha, args, BYTES);
    for (size_t i = 0; i < whole; i += BYTES) {
        slopes_64(&s, args, args->in + i, alpha + channel, args->out + i, first_bytes(BYTES));
        channel = (channel + BYTES) % args->channels;
    }
    if (whole < count) {
        memcpy(rest, args->in + whole, count - whole);
        slopes_64(&s, args, rest, alpha + channel, args->out + whole, first_bytes(count - whole));
    }
}

/* What is the same for all channels is a table. */
static void slopes_by_table(const esr_slopes *args)
{
    int8_t table[256];
    esr_slopes all = *args;

    for (int32_t i = 0; i < 256; i++) {
        table[i] = (int8_t)(i - 128);
    }
    all.in = all.out = table;
    all.pixels = 256;
    all.channels = 1;
    esr_slopes_row(&all);
    avx512_table_row(args->in, args->out, table, (size_t)args->pixels * args->channels);
}

static void avx512_slopes_row(const esr_slopes *args)
{
    if (args->alpha == NULL) {
        slopes_by_table(args);
    } else if (esr_is_plain_prelu(args)) {
        slopes_by_channel(args);
    } else {
        esr_slopes_row(args);
    }
}

static AVX512 void avx512_copy_row(const esr_copy *args)
{
    const __mmask64 mask = first_bytes(args->count);
    const int8_t *in = args->in;
    int8_t *out = args->out;

    if (args->count > BYTES || args->repeats > 1) {
        esr_copy_row(args);
        return;
    }
    for (uint32_t i = 0; i < args->pixels; i++, in += args->in_step, out += args->out_step) {
        _mm512_mask_storeu_epi8(out, mask, _mm512_maskz_loadu_epi8(mask, in));
    }
}

const esr_x86_kernels esr_avx512 = {avx512_conv_row,  esr_depthwise_row, avx512_slopes_row,
                                    avx512_table_row, esr_sum_row,       avx512_copy_row};

#endif
