/*
 * Kernels for x86-64, beside the portable ones, with the same bits. One library holds them all;
 * which of them an engine runs is found out when it is opened.
 */
#ifndef ESR_X86_H
#define ESR_X86_H

#include "esr.h"
#include "esr_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__) && defined(__SSE2__) && !defined(ESR_PORTABLE) && \
    ESR_LAYOUT == ESR_LAYOUT_LANES
#define ESR_X86 1
#else
#define ESR_X86 0
#endif

#if ESR_X86

typedef struct esr_x86_kernels {
    void (*conv_row)(const esr_conv *args);
    void (*depthwise_row)(const esr_conv *args);
    void (*slopes_row)(const esr_slopes *args);
    void (*table_row)(const int8_t *in, int8_t *out, const int8_t *table, size_t count);
    void (*sum_row)(const esr_sum *args);
    void (*copy_row)(const esr_copy *args);
} esr_x86_kernels;

/* The best set that this machine can run, and not beyond `most`, which is set to what it is. */
const esr_x86_kernels *esr_x86_choose(esr_kernel_set *most);

#endif

#endif
