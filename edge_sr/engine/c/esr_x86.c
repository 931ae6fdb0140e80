/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: selects the kernels that an x86-64 processor runs. */
#include "esr_x86.h"

#if ESR_X86

static const esr_x86_kernels portable = {
    .conv_row = esr_conv_row,
    .depthwise_row = esr_depthwise_row,
    .prelu_row = esr_prelu_row,
    .lut_row = esr_lut_row,
    .add_row = esr_add_row,
    .copy_row = esr_copy_row,
#if ESR_FRAMES
    .any_conv_row = esr_any_conv_row,
    .any_depthwise_row = esr_any_depthwise_row,
#endif
};

static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
}

const esr_x86_kernels *esr_x86_choose(esr_kernel_set *most)
{
    if (*most >= ESR_KERNELS_AVX512 && has_avx512()) {
        *most = ESR_KERNELS_AVX512;
        return &esr_avx512;
    }
    if (*most >= ESR_KERNELS_AVX2 && __builtin_cpu_supports("avx2")) {
        *most = ESR_KERNELS_AVX2;
        return &esr_avx2;
    }
    *most = ESR_KERNELS_PORTABLE;
    return &portable;
}

#endif
