/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: what the kernels for AVX-512 with VNNI and VBMI share. */
#ifndef ESR_AVX512_H
#define ESR_AVX512_H

#include "esr_x86.h"

#if ESR_X86

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")))
#define AVX512_INLINE static inline AVX512 __attribute__((always_inline))

#define LANES 16 /* int32 of a vector */
#define BYTES 64 /* bytes of a vector */
#define TAPS 4   /* products that one instruction adds in each lane */

/* These kernels; esr_avx512.c has the others. */
void esr_avx512_conv_row(const esr_conv *args);
void esr_avx512_depthwise_row(const esr_conv *args);
#if ESR_FRAMES
void esr_avx512_any_depthwise_row(const esr_conv *args);
void esr_avx512_any_conv_row(const esr_conv *args);
#endif

AVX512_INLINE __mmask64 first_bytes(size_t count)
{
    return count >= BYTES ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;
}

AVX512_INLINE __mmask16 first_lanes(size_t count)
{
    return count >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << count) - 1);
}

AVX512_INLINE __m512i clamp(__m512i bytes, int32_t low, int32_t high)
{
    return _mm512_min_epi8(_mm512_max_epi8(bytes, _mm512_set1_epi8((char)low)),
                           _mm512_set1_epi8((char)high));
}

/*
 * The scales of 16 lanes in 64 bits; first those of even lanes, then those of odd ones.
 * esr_multiply(sum, scale) is (high product + 2^(right - 1) - (sum < 0)) / 2^right, where the high
 * product is (sum * multiplier + 2^30) / 2^31. The same result with one addition and one shift:
 * (sum * multiplier + addend - (sum < 0 ? 2^31 : 0)) / 2^shift, if right > 0. A high product of 0
 * can be treated as negative, because it is rounded to 0 either way.
 */
typedef struct wide_scales {
    __m512i multiplier[2];
    __m512i addend[2];
    __m512i shift[2]; /* that of odd lanes leaves the result in the upper half */
} wide_scales;

/* Lane i gets scale i % period of the first `count` scales (a power of two). Returns 0 if one of
 * them does not shift right, unless it is 0; else 1. */
AVX512_INLINE int widen_scales(wide_scales *to, const esr_scale *scales, uint32_t count,
                               uint32_t period)
{
    const uint32_t mask = first_lanes(count);
    const __m512i first = _mm512_maskz_loadu_epi64((__mmask8)mask, scales);
    const __m512i second = _mm512_maskz_loadu_epi64((__mmask8)(mask >> 8), scales + 8);
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i one = _mm512_set1_epi64(1);
    __mmask8 others = 0;

    for (int odd = 0; odd < 2; odd++) {
        const __m512i order = _mm512_and_si512(_mm512_add_epi64(even, _mm512_set1_epi64(odd)),
                                               _mm512_set1_epi64((int64_t)period - 1));
        const __m512i scale = _mm512_permutex2var_epi64(first, order, second);
        const __m512i right = _mm512_sub_epi64(_mm512_setzero_si512(),
                                               _mm512_srai_epi64(scale, 32));
        const __m512i shift = _mm512_add_epi64(_mm512_max_epi64(right, one),
                                               _mm512_set1_epi64(31));
        const __m512i half = _mm512_sllv_epi64(one, _mm512_sub_epi64(shift, one));

        others |= _mm512_mask_cmplt_epi64_mask(
            _mm512_test_epi64_mask(scale, _mm512_set1_epi64(INT32_MAX)), right, one);
        to->multiplier[odd] = scale; /* the upper half does not count */
        to->addend[odd] = _mm512_add_epi64(_mm512_set1_epi64(1 << 30), half);
        to->shift[odd] = _mm512_sub_epi64(shift, _mm512_set1_epi64(32 * odd));
    }
    return others == 0;
}

/* Requantize 8 sums, before the shift. */
AVX512_INLINE __m512i requantize_half(const wide_scales *s, __m512i sums, uint32_t odd,
                                       int is_relu)
{
    const __m512i product = _mm512_mul_epi32(sums, s->multiplier[odd]);
    const __m512i sum = _mm512_add_epi64(product, s->addend[odd]);

    return is_relu ? sum
                   : _mm512_mask_sub_epi64(sum, _mm512_movepi64_mask(product), sum,
                                           _mm512_set1_epi64((int64_t)1 << 31));
}

/* Requantize 16 sums, without zero point and clamping. `is_relu`: all results of 0 and less become
 * the lowest output, so that negative ones need not be exact. */
AVX512_INLINE __m512i requantize(const wide_scales *s, __m512i sums, int is_relu)
{
    const __m512i even = requantize_half(s, sums, 0, is_relu);
    const __m512i odd = requantize_half(s, _mm512_srli_epi64(sums, 32), 1, is_relu);

    return _mm512_mask_blend_epi32(0xaaaa, _mm512_srav_epi64(even, s->shift[0]),
                                   _mm512_srav_epi64(odd, s->shift[1]));
}

/* Add the zero point to 16 values, clamp them to [low, high] and store those in `mask`. */
AVX512_INLINE void store_lanes(int8_t *out, __mmask16 mask, __m512i values, int32_t zero_point,
                               int32_t low, int32_t high)
{
    const __m128i bytes =
        _mm512_cvtsepi32_epi8(_mm512_add_epi32(values, _mm512_set1_epi32(zero_point)));

    _mm_mask_storeu_epi8(out, mask,
                         _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8((char)low)),
                                      _mm_set1_epi8((char)high)));
}

#endif

#endif
