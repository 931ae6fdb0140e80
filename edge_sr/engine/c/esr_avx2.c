/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: kernels for x86-64 with AVX2: PReLU and additions. Operators without
 * kernels here use the portable ones, which are compiled for AVX2 too.
 */
#include "esr_avx2.h"

#if ESR_X86

/* --- PReLU */

/* An esr_branch in all lanes. */
typedef struct branch {
    __m256i high;
    __m256i low;
    __m256i addend;
    __m256i negative_addend;
    __m256i right;
} branch;

AVX2_INLINE branch branch_of(esr_scale scale)
{
    const esr_branch one = esr_branch_of(scale);
    const branch branch = {_mm256_set1_epi32(one.high), _mm256_set1_epi32(one.low),
                       _mm256_set1_epi32(one.addend), _mm256_set1_epi32(one.negative_addend),
                       _mm256_set1_epi32(one.right)};

    return branch;
}

typedef struct prelu {
    branch positive;
    branch negative;
    __m256i in_zero_point;
    __m256i out_zero_point;
} prelu;

AVX2_INLINE __m256i load_8(const int8_t *from)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
}

AVX2_INLINE __m256i choose(__m256i is_negative, __m256i positive, __m256i negative)
{
    return _mm256_blendv_epi8(positive, negative, is_negative);
}

AVX2_INLINE __m256i prelu_8(const prelu *s, const int8_t *in, const int8_t *alpha)
{
    const branch *p = &s->positive, *n = &s->negative;
    const __m256i x = _mm256_sub_epi32(load_8(in), s->in_zero_point);
    const __m256i negative_x = _mm256_srai_epi32(x, 31);
    const __m256i value =
        _mm256_mullo_epi32(x, choose(negative_x, _mm256_set1_epi32(1), load_8(alpha)));
    const __m256i low =
        _mm256_srai_epi32(_mm256_mullo_epi32(value, choose(negative_x, p->low, n->low)), 16);
    const __m256i high = _mm256_mullo_epi32(value, choose(negative_x, p->high, n->high));
    const __m256i negative =
        _mm256_and_si256(_mm256_srai_epi32(value, 31), n->negative_addend);
    const __m256i sum =
        _mm256_add_epi32(_mm256_add_epi32(high, low),
                         _mm256_add_epi32(choose(negative_x, p->addend, n->addend), negative));

    return _mm256_add_epi32(_mm256_srav_epi32(sum, choose(negative_x, p->right, n->right)),
                            s->out_zero_point);
}

AVX2_INLINE __m128i prelu_16(const prelu *s, const esr_prelu *args, const int8_t *in,
                              const int8_t *alpha)
{
    return pack(prelu_8(s, in, alpha), prelu_8(s, in + 8, alpha + 8), args->low, args->high);
}

static AVX2 void prelu_by_channel(const esr_prelu *args)
{
    const prelu s = {branch_of(args->positive), branch_of(args->negative),
                      _mm256_set1_epi32(args->in_zero_point),
                      _mm256_set1_epi32(args->out_zero_point)};
    const size_t count = (size_t)args->pixels * args->channels, whole = count / 16 * 16;
    int8_t alpha[ESR_MAX_ALPHAS + 16], rest[16] = {0};
    uint32_t channel = 0;

    esr_repeat_alphas(alpha, args, 16);
    for (size_t i = 0; i < whole; i += 16) {
        _mm_storeu_si128((__m128i *)(void *)(args->out + i),
                         prelu_16(&s, args, args->in + i, alpha + channel));
        channel = (channel + 16) % args->channels;
    }
    memcpy(rest, args->in + whole, count - whole);
    _mm_storeu_si128((__m128i *)(void *)rest, prelu_16(&s, args, rest, alpha + channel));
    memcpy(args->out + whole, rest, count - whole);
}

static void avx2_prelu_row(const esr_prelu *args)
{
    (esr_is_plain_prelu(args) ? prelu_by_channel : esr_prelu_row)(args);
}

/* --- addition */

/*
 * One input of an addition: esr_multiply((x - zero point) * 2^20, scale) in 32 bits. The multiplier
 * is split into 16 high and 16 low bits.
 */
typedef struct addend {
    __m256i zero_point;
    __m256i high;     /* times 32 */
    __m256i low;
    __m256i half;     /* 2^(right - 1) */
    __m256i negative; /* -1, or 0 if there is no right shift */
    __m128i right;
} addend;

AVX2_INLINE addend addend_of(esr_scale scale, int32_t zero_point)
{
    const addend a = {_mm256_set1_epi32(zero_point),
                      _mm256_set1_epi32((scale.multiplier >> 16) * 32),
                      _mm256_set1_epi32(scale.multiplier & 0xffff),
                      _mm256_set1_epi32(scale.shift < 0 ? 1 << (-scale.shift - 1) : 0),
                      _mm256_set1_epi32(scale.shift < 0 ? -1 : 0),
                      _mm_cvtsi32_si128(-scale.shift)};

    return a;
}

AVX2_INLINE __m256i rescale(const addend *a, const int8_t *in)
{
    const __m256i x = _mm256_sub_epi32(load_8(in), a->zero_point);
    const __m256i low =
        _mm256_add_epi32(_mm256_mullo_epi32(x, a->low), _mm256_set1_epi32(1 << 10));
    const __m256i product =
        _mm256_add_epi32(_mm256_mullo_epi32(x, a->high), _mm256_srai_epi32(low, 11));
    const __m256i negative = _mm256_and_si256(_mm256_srai_epi32(product, 31), a->negative);

    return _mm256_sra_epi32(_mm256_add_epi32(_mm256_add_epi32(product, a->half), negative),
                            a->right);
}

/* Add 16 values. */
AVX2_INLINE __m128i add_16(const esr_add *args, const addend *left, const addend *right,
                           const scales *s, const int8_t *l, const int8_t *r)
{
    const __m256i first = _mm256_add_epi32(rescale(left, l), rescale(right, r));
    const __m256i second =
        _mm256_add_epi32(rescale(left, l + LANES), rescale(right, r + LANES));

    return pack_at(requantize(s, first), requantize(s, second), args->out_zero_point, args->low,
                   args->high);
}

static AVX2 void avx2_add_row(const esr_add *args)
{
    const esr_add a = *args;
    const addend left = addend_of(a.scales[0], a.left_zero_point);
    const addend right = addend_of(a.scales[1], a.right_zero_point);
    const size_t whole = a.count / 16 * 16, rest = a.count - whole;
    int8_t l[16] = {0}, r[16] = {0};
    scales s;

    if (!prepare_scales(&s, a.scales + 2, 1)) {
        esr_add_row(args);
        return;
    }
    for (size_t i = 0; i < whole; i += 16) {
        _mm_storeu_si128((__m128i *)(void *)(a.out + i),
                         add_16(&a, &left, &right, &s, a.left + i, a.right + i));
    }
    if (rest > 0) {
        memcpy(l, a.left + whole, rest);
        memcpy(r, a.right + whole, rest);
        _mm_storeu_si128((__m128i *)(void *)l, add_16(&a, &left, &right, &s, l, r));
        memcpy(a.out + whole, l, rest);
    }
}

const esr_x86_kernels esr_avx2 = {
    .conv_row = esr_avx2_conv_row,
    .depthwise_row = esr_avx2_depthwise_row,
    .prelu_row = avx2_prelu_row,
    .lut_row = esr_lut_row,
    .add_row = avx2_add_row,
    .copy_row = esr_copy_row,
#if ESR_FRAMES
    .any_conv_row = esr_any_conv_row,
    .any_depthwise_row = esr_avx2_any_depthwise_row,
#endif
};

#endif
