/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: what the kernels for AVX2 share. */
#ifndef ESR_AVX2_H
#define ESR_AVX2_H

#include "esr_x86.h"

#if ESR_X86

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline AVX2 __attribute__((always_inline))

#define LANES 8

/* These kernels; esr_avx2.c has the others. */
void esr_avx2_conv_row(const esr_conv *args);
void esr_avx2_depthwise_row(const esr_conv *args);
#if ESR_FRAMES
void esr_avx2_any_depthwise_row(const esr_conv *args);
#endif

AVX2_INLINE __m256i load_256(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

/* Constants that requantize 8 sums, for even and odd lanes. */
typedef struct scales {
    __m256i multiplier[2];
    __m256i addend[2];
    __m256i negative_addend[2];
    __m256i shift[2];
    __m256i surplus;
} scales;

/* AVX2 has no arithmetic shift of 64 bits: 2^63 is added before a logical shift, and the surplus
 * subtracted after it. */
AVX2_INLINE int prepare_scales(scales *to, const esr_scale *from, uint32_t count)
{
    int64_t multiplier[LANES], negative_addend[LANES], shift[LANES];
    uint64_t addend[LANES];
    uint32_t surplus[LANES];

    for (uint32_t i = 0; i < LANES; i++) {
        const uint32_t index = i % 2 * (LANES / 2) + i / 2;
        const esr_scale scale = from[esr_min(i, count - 1)];
        esr_wide_scale wide;

        if (!esr_widen_scale(&wide, scale)) {
            return 0;
        }
        multiplier[index] = wide.multiplier;
        addend[index] = ((uint64_t)1 << 63) + (uint64_t)wide.addend;
        negative_addend[index] = wide.negative_addend;
        shift[index] = wide.shift;
        surplus[i] = (uint32_t)((uint64_t)1 << (63 - wide.shift));
    }
    for (uint32_t odd = 0; odd < 2; odd++) {
        const uint32_t half = odd * (LANES / 2);

        to->multiplier[odd] = load_256(multiplier + half);
        to->addend[odd] = load_256(addend + half);
        to->negative_addend[odd] = load_256(negative_addend + half);
        to->shift[odd] = load_256(shift + half);
    }
    to->surplus = load_256(surplus);
    return 1;
}

AVX2_INLINE __m256i requantize_half(const scales *s, __m256i sums, uint32_t odd)
{
    const __m256i product = _mm256_mul_epi32(sums, s->multiplier[odd]);
    const __m256i negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), product);
    const __m256i sum = _mm256_add_epi64(_mm256_add_epi64(product, s->addend[odd]),
                                         _mm256_and_si256(negative, s->negative_addend[odd]));

    return _mm256_srlv_epi64(sum, s->shift[odd]);
}

/* Requantize 8 sums, without zero point and clamping. */
AVX2_INLINE __m256i requantize(const scales *s, __m256i sums)
{
    const __m256i even = requantize_half(s, sums, 0);
    const __m256i odd = requantize_half(s, _mm256_srli_epi64(sums, 32), 1);

    return _mm256_sub_epi32(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa),
                            s->surplus);
}

/* Convert 16 int32 to clamped int8. */
AVX2_INLINE __m128i pack(__m256i first, __m256i second, int32_t low, int32_t high)
{
    const __m256i words =
        _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8);
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));

    return _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8((char)low)),
                        _mm_set1_epi8((char)high));
}

/* The same with a zero point, which is added first. */
AVX2_INLINE __m128i pack_at(__m256i first, __m256i second, int32_t zero_point, int32_t low,
                            int32_t high)
{
    const __m256i words = _mm256_adds_epi16(
        _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8),
        _mm256_set1_epi16((int16_t)zero_point));
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));

    return _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8((char)low)),
                        _mm_set1_epi8((char)high));
}

#endif

#endif
