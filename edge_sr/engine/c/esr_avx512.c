/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: kernels for x86-64 with AVX-512 VNNI and VBMI (Ice Lake, Zen 4 and
 * later). */
#include "esr_x86.h"

#if ESR_X86

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")))
#define AVX512_INLINE static inline AVX512 __attribute__((always_inline))

/* --- convolutions
 *
 * One instruction multiplies four unsigned bytes with four signed ones and adds the products, in
 * each of 16 lanes. Lanes are output channels; four neighbouring taps of a kernel row are one step.
 * A tile of the input is copied with its sign bits flipped, which adds 128 to each value; the bias
 * is reduced by what this adds to the sums.
 */
#define LANES 16
#define TAPS 4     /* taps of a step */
#define VECTORS 12 /* vectors of sums, in registers; a multiple of 4 */
#define BYTES 64   /* bytes of a vector */
#define TILE_PIXELS 96
#define TILE_BYTES 16384
#define MAX_STEPS 512

/* A block of output channels of one group, ready to run. Two pixels share a vector if there are at
 * most 8 channels, and four if there are at most 4. Slots beyond the channels are arbitrary. */
typedef struct block {
    const esr_conv *args;
    uint32_t inputs;    /* channels of the group */
    uint32_t in_first;  /* the group's first input channel */
    uint32_t out_first; /* the block's first output channel */
    uint32_t outputs;   /* output channels of the block */
    uint32_t lanes;     /* of the block's weights, at least `outputs` */
    uint32_t packed;    /* pixels of a vector: 1, 2 or 4 */
    uint32_t slots;     /* lanes of each pixel, at least `outputs` */
    uint32_t run;       /* taps of a kernel row */
    uint32_t steps;     /* steps of a kernel row */
    uint32_t pixels;    /* maximum pixels of a tile; a multiple of VECTORS * packed */
    uint32_t stride;    /* of a tile's rows, in bytes */
    int32_t plain;      /* whether requantize() is exact */
    __m512i spread;     /* indices of a vector's taps in 64 inputs, if it holds several pixels */
    __m512i start;      /* initial sums */
    __m512i multiplier[2]; /* of even and odd lanes, like the next three */
    __m512i addend[2];
    __m512i negative_addend[2];
    __m512i shift[2];
    __m512i gather;     /* indices of the outputs of four vectors */
    const __m512i *weights;
    const uint8_t *tile;
} block;

AVX512_INLINE __mmask64 first_bytes(size_t count)
{
    return count >= BYTES ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;
}

/* Reorder the weights from [four taps][lanes] to [pixels of a vector][lanes][four taps], for all
 * kernel rows. */
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
            const uint32_t bytes = esr_min(b->run - tap, TAPS) * b->lanes;

            *to++ = _mm512_permutexvar_epi8(
                index, _mm512_maskz_loadu_epi8(first_bytes(bytes), weights));
            weights += bytes;
        }
    }
}

/* The initial sums: the bias minus what the flipped sign bits add. */
AVX512_INLINE __m512i start_of(const block *b)
{
    const __m512i flipped = _mm512_set1_epi8((char)INT8_MIN);
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

/* Prepare requantize(), or clear `plain` if a scale is out of range: store_any() is used then. */
AVX512_INLINE void prepare_scales(block *b)
{
    int64_t multiplier[LANES] = {0}, addend[LANES] = {0};
    int64_t negative_addend[LANES] = {0}, shift[LANES] = {0};

    b->plain = 1;
    for (uint32_t i = 0; i < LANES; i++) {
        const uint32_t index = i % 2 * (LANES / 2) + i / 2, output = i % b->lanes;
        const uint32_t channel = b->out_first + esr_min(output, b->outputs - 1);
        esr_wide_scale wide;

        if (!esr_widen_scale(&wide, b->args->scales[channel], b->args->out_zero_point)) {
            b->plain = 0;
            return;
        }
        multiplier[index] = wide.multiplier;
        addend[index] = wide.addend;
        negative_addend[index] = wide.negative_addend;
        shift[index] = wide.shift;
    }
    for (uint32_t odd = 0; odd < 2; odd++) {
        b->multiplier[odd] = _mm512_loadu_si512(multiplier + odd * (LANES / 2));
        b->addend[odd] = _mm512_loadu_si512(addend + odd * (LANES / 2));
        b->negative_addend[odd] = _mm512_loadu_si512(negative_addend + odd * (LANES / 2));
        b->shift[odd] = _mm512_loadu_si512(shift + odd * (LANES / 2));
    }
}

/* Prepare the indices of a vector's taps in the input, and of the outputs in pack()'s result. */
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
    const __m512i sum = _mm512_add_epi64(product, b->addend[odd]);

    return _mm512_srav_epi64(
        _mm512_mask_add_epi64(sum, _mm512_movepi64_mask(product), sum, b->negative_addend[odd]),
        b->shift[odd]);
}

/* Requantize a vector of sums, without clamping. */
AVX512_INLINE __m512i requantize(const block *b, __m512i sums)
{
    const __m512i even = requantize_half(b, sums, 0);
    const __m512i odd = requantize_half(b, _mm512_srli_epi64(sums, 32), 1);

    return _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, (_MM_PERM_ENUM)0xa0);
}

/* Saturate four vectors to bytes: lane l of vector v becomes byte l / 4 * 16 + v * 4 + l % 4. */
AVX512_INLINE __m512i pack(__m512i a, __m512i b, __m512i c, __m512i d)
{
    return _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}

AVX512_INLINE __m512i clamp(__m512i bytes, int32_t low, int32_t high)
{
    return _mm512_min_epi8(_mm512_max_epi8(bytes, _mm512_set1_epi8((char)low)),
                           _mm512_set1_epi8((char)high));
}

/* Requantize and store four vectors, which hold `count` pixels. */
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

/* The same for scales out of the range of store_plain(). */
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

/* Copy the first `bytes` of a row with flipped sign bits. Bytes after them are arbitrary. */
AVX512_INLINE void fill_row(uint8_t *to, const int8_t *from, uint32_t bytes, uint32_t stride)
{
    const __m512i flip = _mm512_set1_epi8((char)INT8_MIN);

    for (uint32_t i = 0; i < stride; i += BYTES) {
        const __mmask64 mask = i < bytes ? first_bytes(bytes - i) : 0;

        _mm512_store_si512(to + i,
                           _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from + i), flip));
    }
}

/* The same for the group's channels of `pixels` pixels. */
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
    const uint32_t pixels = esr_min(args->pixels - first, b->pixels) + args->kernel_w - 1;

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

/* Broadcast four taps to all lanes; if `packed`, each pixel's taps to its own lanes. */
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

/* Compute VECTORS * packed pixels, or the rest of the row. `pixel` is relative to the tile. */
AVX512_INLINE void run_pixels(const block *b, uint32_t first, uint32_t pixel, int packed)
{
    const uint32_t count = esr_min(b->args->pixels - first - pixel, VECTORS * b->packed);
    __m512i sums[VECTORS];

    for (uint32_t v = 0; v < VECTORS; v++) {
        sums[v] = b->start;
    }
    add_products(b, pixel, sums, packed);
#pragma GCC unroll 3
    for (uint32_t v = 0; v < VECTORS; v += 4) {
        /* A copy, so that the sums have no address and stay in registers. */
        const __m512i some[4] = {sums[v], sums[v + 1], sums[v + 2], sums[v + 3]};
        const uint32_t done = v * b->packed;

        if (done < count) {
            store(b, some, first + pixel + done, esr_min(count - done, 4 * b->packed));
        }
    }
}

AVX512_INLINE void run_block(const block *b, uint8_t *tile, int packed)
{
    for (uint32_t first = 0; first < b->args->pixels; first += b->pixels) {
        const uint32_t count = esr_min(b->args->pixels - first, b->pixels);

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

/* Bytes from row to row of a tile: its pixels, and those that the last step reads beyond them. */
static uint32_t stride_of(const block *b, uint32_t pixels)
{
    return esr_round_up((pixels - 1 + b->args->kernel_w) * b->inputs + BYTES, BYTES);
}

/* Choose the size of a tile. Returns 0 if the weights or the smallest tile do not fit, else 1. */
static int set_tile(block *b)
{
    const uint32_t pixels = VECTORS * b->packed;

    if (b->args->kernel_h * b->steps > MAX_STEPS) {
        return 0;
    }
    b->pixels = esr_min(esr_round_up(b->args->pixels, pixels), TILE_PIXELS);
    while (b->args->kernel_h * stride_of(b, b->pixels) > TILE_BYTES) {
        if (b->pixels == pixels) {
            return 0;
        }
        b->pixels -= pixels;
    }
    b->stride = stride_of(b, b->pixels);
    return 1;
}

/* Choose how the block is computed and prepare everything but the weights. */
AVX512_INLINE int prepare_block(block *b, uint32_t left)
{
    b->lanes = esr_conv_lanes(left);
    b->outputs = esr_min(left, b->lanes);
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
    __m512i arranged[MAX_STEPS];
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

/* --- lookup tables, PReLU, copies */

static AVX512 void avx512_lut_row(const int8_t *in, int8_t *out, const int8_t *table,
                                    size_t count)
{
    const __m512i below[2] = {_mm512_loadu_si512(table), _mm512_loadu_si512(table + 64)};
    const __m512i above[2] = {_mm512_loadu_si512(table + 128), _mm512_loadu_si512(table + 192)};

    for (size_t i = 0; i < count; i += BYTES) {
        const __mmask64 mask = first_bytes(count - i);
        const __m512i x = _mm512_maskz_loadu_epi8(mask, in + i);

        /* One instruction looks up seven bits of a value; the sign bit selects between two. */
        _mm512_mask_storeu_epi8(
            out + i, mask,
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(x),
                                   _mm512_permutex2var_epi8(above[0], x, above[1]),
                                   _mm512_permutex2var_epi8(below[0], x, below[1])));
    }
}

/* An esr_branch in all lanes. */
typedef struct branch {
    __m512i high;
    __m512i low;
    __m512i addend;
    __m512i negative_addend;
    __m512i right;
} branch;

AVX512_INLINE branch branch_of(esr_scale scale)
{
    const esr_branch one = esr_branch_of(scale);
    const branch branch = {_mm512_set1_epi32(one.high), _mm512_set1_epi32(one.low),
                       _mm512_set1_epi32(one.addend), _mm512_set1_epi32(one.negative_addend),
                       _mm512_set1_epi32(one.right)};

    return branch;
}

typedef struct prelu {
    branch positive;
    branch negative;
    __m512i in_zero_point;
} prelu;

/* Compute 16 values, without the zero point. */
AVX512_INLINE __m512i prelu_16(const prelu *s, const int8_t *in, const int8_t *alpha)
{
    const branch *p = &s->positive, *n = &s->negative;
    const __m512i bytes = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)in));
    const __m512i x = _mm512_sub_epi32(bytes, s->in_zero_point);
    const __mmask16 negative = _mm512_movepi32_mask(x);
    const __m512i factor = _mm512_mask_cvtepi8_epi32(
        _mm512_set1_epi32(1), negative, _mm_loadu_si128((const __m128i *)(const void *)alpha));
    const __m512i value = _mm512_mullo_epi32(x, factor);
    const __m512i low = _mm512_srai_epi32(
        _mm512_mullo_epi32(value, _mm512_mask_blend_epi32(negative, p->low, n->low)), 16);
    const __m512i high =
        _mm512_mullo_epi32(value, _mm512_mask_blend_epi32(negative, p->high, n->high));
    const __m512i sum = _mm512_add_epi32(
        _mm512_add_epi32(high, low), _mm512_mask_blend_epi32(negative, p->addend, n->addend));

    return _mm512_srav_epi32(
        _mm512_mask_add_epi32(sum, _mm512_movepi32_mask(value), sum, n->negative_addend),
        _mm512_mask_blend_epi32(negative, p->right, n->right));
}

/* Compute 64 values and store those in `mask`. */
AVX512_INLINE void prelu_64(const prelu *s, const esr_prelu *args, const int8_t *in,
                             const int8_t *alpha, int8_t *out, __mmask64 mask)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i zero_point = _mm512_set1_epi16((int16_t)args->out_zero_point);
    const __m512i left =
        _mm512_packs_epi32(prelu_16(s, in, alpha), prelu_16(s, in + 16, alpha + 16));
    const __m512i right =
        _mm512_packs_epi32(prelu_16(s, in + 32, alpha + 32), prelu_16(s, in + 48, alpha + 48));
    const __m512i bytes = _mm512_packs_epi16(_mm512_adds_epi16(left, zero_point),
                                             _mm512_adds_epi16(right, zero_point));

    _mm512_mask_storeu_epi8(out, mask,
                            clamp(_mm512_permutexvar_epi32(order, bytes), args->low, args->high));
}

static AVX512 void prelu_by_channel(const esr_prelu *args)
{
    const prelu s = {branch_of(args->positive), branch_of(args->negative),
                      _mm512_set1_epi32(args->in_zero_point)};
    const size_t count = (size_t)args->pixels * args->channels, whole = count / BYTES * BYTES;
    int8_t alpha[ESR_MAX_ALPHAS + BYTES], rest[BYTES] = {0};
    uint32_t channel = 0;

    esr_repeat_alphas(alpha, args, BYTES);
    for (size_t i = 0; i < whole; i += BYTES) {
        prelu_64(&s, args, args->in + i, alpha + channel, args->out + i, first_bytes(BYTES));
        channel = (channel + BYTES) % args->channels;
    }
    if (whole < count) {
        memcpy(rest, args->in + whole, count - whole);
        prelu_64(&s, args, rest, alpha + channel, args->out + whole, first_bytes(count - whole));
    }
}

/* PReLU that is the same for all channels, as a lookup table. */
static void prelu_by_lut(const esr_prelu *args)
{
    int8_t table[256];
    esr_prelu all = *args;

    for (int32_t i = 0; i < 256; i++) {
        table[i] = (int8_t)(i - 128);
    }
    all.in = all.out = table;
    all.pixels = 256;
    all.channels = 1;
    esr_prelu_row(&all);
    avx512_lut_row(args->in, args->out, table, (size_t)args->pixels * args->channels);
}

static void avx512_prelu_row(const esr_prelu *args)
{
    if (args->alpha == NULL) {
        prelu_by_lut(args);
    } else if (esr_is_plain_prelu(args)) {
        prelu_by_channel(args);
    } else {
        esr_prelu_row(args);
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

const esr_x86_kernels esr_avx512 = {
    .conv_row = avx512_conv_row,
    .depthwise_row = esr_depthwise_row,
    .prelu_row = avx512_prelu_row,
    .lut_row = avx512_lut_row,
    .add_row = esr_add_row,
    .copy_row = avx512_copy_row,
#if ESR_FRAMES
    .any_conv_row = esr_any_conv_row,
    .any_depthwise_row = esr_any_depthwise_row,
#endif
};

#endif
