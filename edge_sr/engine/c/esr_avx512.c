/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: kernels for x86-64 with AVX-512 VNNI and VBMI (Ice Lake, Zen 4 and
 * later): lookup tables, PReLU, copies and additions. */
#include "esr_avx512.h"

#if ESR_X86

#include <string.h>

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

/* Add the zero point to 64 values, clamp them to [low, high] and store those in `mask`. */
AVX512_INLINE void store_64(int8_t *out, __mmask64 mask, const __m512i *values, int32_t zero_point,
                            int32_t low, int32_t high)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i point = _mm512_set1_epi16((int16_t)zero_point);
    const __m512i left = _mm512_adds_epi16(_mm512_packs_epi32(values[0], values[1]), point);
    const __m512i right = _mm512_adds_epi16(_mm512_packs_epi32(values[2], values[3]), point);
    const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(left, right));

    _mm512_mask_storeu_epi8(out, mask, clamp(bytes, low, high));
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
    const __m512i values[4] = {prelu_16(s, in, alpha), prelu_16(s, in + 16, alpha + 16),
                               prelu_16(s, in + 32, alpha + 32), prelu_16(s, in + 48, alpha + 48)};

    store_64(out, mask, values, args->out_zero_point, args->low, args->high);
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

/* --- addition */

/*
 * One input of an addition: esr_multiply((x - zero point) * 2^20, scale) in 32 bits. The multiplier
 * is high * 2^16 + low, both signed, so that one instruction multiplies 16 bits with 9.
 */
typedef struct addend {
    __m512i zero_point;
    __m512i high;
    __m512i low;
    __m512i half;     /* 2^(right - 1) */
    __m512i negative; /* -1, or 0 if there is no right shift */
    __m128i right;
} addend;

/* The greatest multiplier of an addend. */
#define MOST_ADDEND 0x7fff7fff

AVX512_INLINE addend addend_of(esr_scale scale, int32_t zero_point)
{
    const int32_t high = (scale.multiplier + (1 << 15)) >> 16;
    const addend a = {_mm512_set1_epi32(zero_point),
                      _mm512_set1_epi32(high),
                      _mm512_set1_epi32((scale.multiplier - high * (1 << 16)) & 0xffff),
                      _mm512_set1_epi32(scale.shift < 0 ? 1 << (-scale.shift - 1) : 0),
                      _mm512_set1_epi32(scale.shift < 0 ? -1 : 0),
                      _mm_cvtsi32_si128(-scale.shift)};

    return a;
}

AVX512_INLINE __m512i load_addend(const addend *a, const int8_t *in)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);

    return _mm512_sub_epi32(_mm512_cvtepi8_epi32(bytes), a->zero_point);
}

AVX512_INLINE __m512i rescale(const addend *a, __m512i x)
{
    const __m512i low = _mm512_add_epi32(_mm512_madd_epi16(x, a->low), _mm512_set1_epi32(1 << 10));
    const __m512i product = _mm512_add_epi32(
        _mm512_slli_epi32(_mm512_madd_epi16(x, a->high), 5), _mm512_srai_epi32(low, 11));
    const __m512i sum = _mm512_add_epi32(product, a->half);

    return _mm512_sra_epi32(_mm512_mask_add_epi32(sum, _mm512_movepi32_mask(product), sum,
                                                  a->negative),
                            a->right);
}

/* Add 64 values and store those in `mask`. `is_half`: the scale of the left ones is 1/2. */
AVX512_INLINE void add_64(const esr_add *args, const addend *left, const addend *right,
                          const wide_scales *scales, const int8_t *l, const int8_t *r, int8_t *out,
                          __mmask64 mask, int is_half)
{
    __m512i sums[4];

#pragma GCC unroll 4
    for (uint32_t k = 0; k < 4; k++) {
        const __m512i x = load_addend(left, l + k * LANES);
        const __m512i y = rescale(right, load_addend(right, r + k * LANES));

        sums[k] = requantize(
            scales, _mm512_add_epi32(is_half ? _mm512_slli_epi32(x, 19) : rescale(left, x), y), 0);
    }
    store_64(out, mask, sums, args->out_zero_point, args->low, args->high);
}

AVX512_INLINE void add_all(esr_add args, const wide_scales *to, int is_half)
{
    const addend left = addend_of(args.scales[0], args.left_zero_point);
    const addend right = addend_of(args.scales[1], args.right_zero_point);
    const wide_scales scales = *to;
    const size_t whole = args.count / BYTES * BYTES, rest = args.count - whole;
    int8_t l[BYTES] = {0}, r[BYTES] = {0};

    for (size_t i = 0; i < whole; i += BYTES) {
        add_64(&args, &left, &right, &scales, args.left + i, args.right + i, args.out + i,
               first_bytes(BYTES), is_half);
    }
    if (rest > 0) {
        memcpy(l, args.left + whole, rest);
        memcpy(r, args.right + whole, rest);
        add_64(&args, &left, &right, &scales, l, r, args.out + whole, first_bytes(rest), is_half);
    }
}

static ESR_NOINLINE AVX512 void add_halves(const esr_add *args, const wide_scales *scales)
{
    add_all(*args, scales, 1);
}

static ESR_NOINLINE AVX512 void add_any(const esr_add *args, const wide_scales *scales)
{
    add_all(*args, scales, 0);
}

/* One scale is usually 1/2; it becomes the left one. */
static AVX512 void avx512_add_row(const esr_add *args)
{
    const esr_scale *s = args->scales;
    const esr_scale swapped[2] = {s[1], s[0]};
    const int first = s[0].multiplier == 1 << 30 && s[0].shift == 0;
    const int second = s[1].multiplier == 1 << 30 && s[1].shift == 0;
    esr_add all = *args;
    wide_scales scales;

    if (!widen_scales(&scales, s + 2, 1, 1) || s[0].multiplier > MOST_ADDEND ||
        s[1].multiplier > MOST_ADDEND) {
        esr_add_row(args);
    } else if (first || !second) {
        (first ? add_halves : add_any)(&all, &scales);
    } else {
        all.left = args->right;
        all.right = args->left;
        all.left_zero_point = args->right_zero_point;
        all.right_zero_point = args->left_zero_point;
        all.scales = swapped;
        add_halves(&all, &scales);
    }
}

const esr_x86_kernels esr_avx512 = {
    .conv_row = esr_avx512_conv_row,
    .depthwise_row = esr_avx512_depthwise_row,
    .prelu_row = avx512_prelu_row,
    .lut_row = avx512_lut_row,
    .add_row = avx512_add_row,
    .copy_row = avx512_copy_row,
#if ESR_FRAMES
    .any_conv_row = esr_avx512_any_conv_row,
    .any_depthwise_row = esr_avx512_any_depthwise_row,
#endif
};

#endif
