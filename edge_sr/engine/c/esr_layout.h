/*
 * Kernels for a family of processors want their weights in an order of their own. The compiler
 * says which kernels are built; plan files hold one array for each order and choose alike.
 *
 * ESR_PORTABLE builds the portable kernels wherever it is defined.
 */
#ifndef ESR_LAYOUT_H
#define ESR_LAYOUT_H

#define ESR_LAYOUT_SIMD 0  /* esr_kernels.c: any machine */
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
