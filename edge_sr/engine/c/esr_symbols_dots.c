/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: the sums of products of esr_symbols.c.
 *
 * Weights of a group lie together for all outputs, so that a group whose inputs are all zero costs
 * nothing, and vectors take 16 inputs of one output at a time.
 */
#if defined(__arm__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2", "omit-frame-pointer")
#endif

#include "esr_symbols_dots.h"

#include <string.h>

#if ESR_SYMBOLS_DSP
#include "esr_dsp.h"
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(ESR_PORTABLE)
#include <immintrin.h>
#define X86 1
#endif

#ifndef X86
#define X86 0
#endif

#define GROUP ESR_SYMBOLS_GROUP

static const int8_t *weights_of(const esr_symbols_layer *layer, uint32_t i)
{
    return layer->weights + (size_t)layer->groups[i] * layer->outputs * GROUP;
}

static const int8_t *inputs_of(const esr_symbols_layer *layer, uint32_t i)
{
    return layer->inputs + (size_t)layer->groups[i] * GROUP;
}

#if ESR_SYMBOLS_MVE

/* Helium: one instruction adds 16 products to a sum. Outputs are even in number. */
static void add_products(int32_t *sums, const esr_symbols_layer *layer)
{
    memset(sums, 0, layer->outputs * sizeof *sums);
    for (uint32_t i = 0; i < layer->count; i++) {
        const int8_t *weights = weights_of(layer, i);
        const int8x16_t inputs = vldrbq_s8(inputs_of(layer, i));

        for (uint32_t o = 0; o < layer->outputs; o += 2, weights += 2 * GROUP) {
            sums[o] = vmladavaq_s8(sums[o], inputs, vldrbq_s8(weights));
            sums[o + 1] = vmladavaq_s8(sums[o + 1], inputs, vldrbq_s8(weights + GROUP));
        }
    }
}

#elif ESR_SYMBOLS_DSP

/* sum + the products of eight inputs, widened in four words. */
static inline int32_t add_eight(int32_t sum, const esr_int16x2 in[4], const int8_t *weights)
{
    const uint32_t first = (uint32_t)esr_symbols_word(weights);
    const uint32_t second = (uint32_t)esr_symbols_word(weights + 4);

    sum = esr_symbols_add_two(sum, in[0], esr_even_bytes(first));
    sum = esr_symbols_add_two(sum, in[1], esr_odd_bytes(first));
    sum = esr_symbols_add_two(sum, in[2], esr_even_bytes(second));
    return esr_symbols_add_two(sum, in[3], esr_odd_bytes(second));
}

/* The DSP extension: eight inputs of two outputs at a time. Outputs are even in number. */
static void add_products(int32_t *sums, const esr_symbols_layer *layer)
{
    memset(sums, 0, layer->outputs * sizeof *sums);
    for (uint32_t i = 0; i < 2 * layer->count; i++) {
        const int8_t *inputs = inputs_of(layer, i / 2) + i % 2 * (GROUP / 2);
        const int8_t *weights = weights_of(layer, i / 2) + i % 2 * (GROUP / 2);
        const uint32_t first = (uint32_t)esr_symbols_word(inputs);
        const uint32_t second = (uint32_t)esr_symbols_word(inputs + 4);
        const esr_int16x2 in[4] = {esr_even_bytes(first), esr_odd_bytes(first),
                                   esr_even_bytes(second), esr_odd_bytes(second)};

        if ((first | second) == 0) {
            continue;
        }
        for (uint32_t o = 0; o < layer->outputs; o += 2, weights += 2 * GROUP) {
            sums[o] = add_eight(sums[o], in, weights);
            sums[o + 1] = add_eight(sums[o + 1], in, weights + GROUP);
        }
    }
}

#else

/* Any processor: the outputs from `first` on. */
static void add_rest(int32_t *sums, const esr_symbols_layer *layer, uint32_t first)
{
    memset(sums + first, 0, (layer->outputs - first) * sizeof *sums);
    for (uint32_t i = 0; i < layer->count; i++) {
        const int8_t *inputs = inputs_of(layer, i);
        const int8_t *weights = weights_of(layer, i) + (size_t)first * GROUP;

        for (uint32_t o = first; o < layer->outputs; o++, weights += GROUP) {
            int32_t sum = 0;

            for (int k = 0; k < GROUP; k++) {
                sum += weights[k] * inputs[k];
            }
            sums[o] += sum;
        }
    }
}

static void add_products(int32_t *sums, const esr_symbols_layer *layer)
{
    add_rest(sums, layer, 0);
}

#endif

#if X86

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

/* The sums of the lanes of eight vectors. */
AVX2 static inline __m256i sums_of_lanes(const __m256i v[8])
{
    const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]),
                                        _mm256_hadd_epi32(v[2], v[3]));
    const __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]),
                                        _mm256_hadd_epi32(v[6], v[7]));

    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                            _mm256_permute2x128_si256(a, b, 0x31));
}

AVX2 static inline __m256i widened(const int8_t *bytes)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)bytes));
}

/* Eight outputs at a time. */
AVX2 static void add_products_avx2(int32_t *sums, const esr_symbols_layer *layer)
{
    const uint32_t whole = layer->outputs / 8 * 8;

    for (uint32_t o = 0; o < whole; o += 8) {
        __m256i v[8];

        for (int j = 0; j < 8; j++) {
            v[j] = _mm256_setzero_si256();
        }
        for (uint32_t i = 0; i < layer->count; i++) {
            const int8_t *weights = weights_of(layer, i) + (size_t)o * GROUP;
            const __m256i in = widened(inputs_of(layer, i));

            for (int j = 0; j < 8; j++) {
                v[j] = _mm256_add_epi32(v[j],
                                        _mm256_madd_epi16(in, widened(weights + j * GROUP)));
            }
        }
        _mm256_storeu_si256((__m256i *)(void *)(sums + o), sums_of_lanes(v));
    }
    if (whole < layer->outputs) {
        add_rest(sums, layer, whole);
    }
}

/* Store 16 sums, each over four lanes: v[j] has those of outputs 4 j to 4 j + 3, less `excess`. */
AVX512 static inline void store_sums(int32_t *sums, const __m512i v[4], int32_t excess)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]),
                                       _mm512_unpackhi_epi32(v[0], v[1]));
    const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]),
                                       _mm512_unpackhi_epi32(v[2], v[3]));
    const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b),
                                         _mm512_unpackhi_epi64(a, b));

    _mm512_storeu_si512(sums, _mm512_sub_epi32(_mm512_permutexvar_epi32(order, all),
                                               _mm512_set1_epi32(excess)));
}

/* 128 times the sum of the inputs. */
static int32_t excess_of(const esr_symbols_layer *layer)
{
    int32_t sum = 0;

    for (uint32_t i = 0; i < layer->count; i++) {
        const int8_t *inputs = inputs_of(layer, i);

        for (int k = 0; k < GROUP; k++) {
            sum += inputs[k];
        }
    }
    return 128 * sum;
}

/* Sixteen outputs at a time. VNNI multiplies unsigned by signed bytes: 128 is added to weights. */
AVX512 static void add_products_vnni(int32_t *sums, const esr_symbols_layer *layer)
{
    const uint32_t whole = layer->outputs / 16 * 16;
    const __m512i top = _mm512_set1_epi8((char)-128);
    const int32_t excess = excess_of(layer);

    for (uint32_t o = 0; o < whole; o += 16) {
        __m512i v[4];

        for (int j = 0; j < 4; j++) {
            v[j] = _mm512_setzero_si512();
        }
        for (uint32_t i = 0; i < layer->count; i++) {
            const int8_t *weights = weights_of(layer, i) + (size_t)o * GROUP;
            const __m512i in = _mm512_broadcast_i32x4(
                _mm_loadu_si128((const __m128i *)(const void *)inputs_of(layer, i)));

            for (int j = 0; j < 4; j++) {
                const __m512i w = _mm512_xor_si512(_mm512_loadu_si512(weights + 64 * j), top);

                v[j] = _mm512_dpbusd_epi32(v[j], w, in);
            }
        }
        store_sums(sums + o, v, excess);
    }
    if (whole < layer->outputs) {
        add_rest(sums, layer, whole);
    }
}

#endif

esr_symbols_dots esr_symbols_choose_dots(void)
{
#if X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni")) {
        return add_products_vnni;
    }
    if (__builtin_cpu_supports("avx2")) {
        return add_products_avx2;
    }
#endif
    return add_products;
}
