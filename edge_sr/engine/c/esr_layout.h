/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: selects the kernels, and with them the order of the weights (layout).
 *
 * Kernels for a family of processors read their weights in an order of their own. The compiler's
 * target selects the kernels. A plan's source file holds one array for each layout and selects
 * with the same macro.
 *
 * Every source of the engine's arithmetic includes this header, which rejects targets whose byte
 * order or int would change the results.
 *
 * Define ESR_PORTABLE to build the portable kernels on any target.
 */
#ifndef ESR_LAYOUT_H
#define ESR_LAYOUT_H

#include <limits.h>

#if INT_MAX < 2147483647
#error "edge-sr's engine needs a compiler whose int has 32 bits"
#endif

#if (defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) || \
    defined(__BIG_ENDIAN__) || defined(__ARM_BIG_ENDIAN) || \
    (defined(__ICCARM__) && !__LITTLE_ENDIAN__)
#error "edge-sr's engine needs a little-endian processor"
#endif

#define ESR_LAYOUT_SIMD 0  /* esr_kernels.c: any processor */
#define ESR_LAYOUT_DSP16 1 /* esr_dsp.c: Cortex-M with the DSP extension */
#define ESR_LAYOUT_MVE8 2  /* esr_mve.c: Cortex-M with Helium */

#ifndef ESR_LAYOUT
#if defined(ESR_PORTABLE) || !defined(__ARM_ARCH_PROFILE) || __ARM_ARCH_PROFILE != 'M'
#define ESR_LAYOUT ESR_LAYOUT_SIMD
#elif defined(__ARM_FEATURE_MVE)
#define ESR_LAYOUT ESR_LAYOUT_MVE8
#elif defined(__ARM_FEATURE_DSP)
#define ESR_LAYOUT ESR_LAYOUT_DSP16
#else
#define ESR_LAYOUT ESR_LAYOUT_SIMD
#endif
#endif

#endif
