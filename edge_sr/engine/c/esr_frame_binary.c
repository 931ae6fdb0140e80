/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: the portable kernel of element-wise operators on two inputs, see
 * esr_frame_kernels.h. */
#include "esr_frame_kernels.h"
#include "esr_frame_plan.h"

#if ESR_FRAMES

#ifndef ESR_HOT
#define ESR_HOT
#endif

/* The signs of left and right in a sum or a difference: 1, or -1 modulo 2^32. */
typedef struct signs {
    uint32_t left;
    uint32_t right;
} signs;

ESR_INLINE int32_t sum_of(const esr_binary *args, int32_t left, int32_t right, signs sign)
{
    const uint32_t a = (uint32_t)esr_multiply(left * (1 << 20), args->scales[0]);
    const uint32_t b = (uint32_t)esr_multiply(right * (1 << 20), args->scales[1]);

    return esr_multiply(esr_signed(sign.left * a + sign.right * b), args->scales[2]);
}

/* The loops take the arguments as a copy, because compilers must assume that a store of int8
 * changes anything that a pointer can reach; `step` is constant where they are inlined. */
ESR_INLINE void sum_run(esr_binary args, size_t first, size_t count, const int8_t *right,
                        size_t step)
{
    const signs sign = {args.function == ESR_BINARY_SUB_FROM ? UINT32_MAX : 1,
                        args.function == ESR_BINARY_SUB ? UINT32_MAX : 1};
    const esr_scale scales[3] = {args.scales[0], args.scales[1], args.scales[2]};

    args.scales = scales;
    for (size_t i = 0; i < count; i++) {
        const int32_t value = sum_of(&args, args.left[first + i] - args.left_zero_point,
                                     right[i * step] - args.right_zero_point, sign);

        args.out[first + i] = esr_store(value, args.out_zero_point, args.low, args.high);
    }
}

ESR_INLINE void product_run(esr_binary args, size_t first, size_t count, const int8_t *right,
                            size_t step)
{
    const esr_scale scale = args.scales[0];

    for (size_t i = 0; i < count; i++) {
        const int32_t product = (args.left[first + i] - args.left_zero_point) *
                                (right[i * step] - args.right_zero_point);

        args.out[first + i] =
            esr_store(esr_multiply(product, scale), args.out_zero_point, args.low, args.high);
    }
}

ESR_INLINE void limit_run(esr_binary args, size_t first, size_t count, const int8_t *right,
                          size_t step)
{
    const int is_minimum = args.function == ESR_BINARY_MINIMUM;

    for (size_t i = 0; i < count; i++) {
        const int8_t a = args.left[first + i], b = right[i * step];
        const int8_t low = a < b ? a : b, high = a < b ? b : a;

        args.out[first + i] = is_minimum ? low : high;
    }
}

ESR_INLINE void run(const esr_binary *args, size_t first, size_t count, const int8_t *right,
                    size_t step)
{
    switch (args->function) {
    case ESR_BINARY_ADD:
    case ESR_BINARY_SUB:
    case ESR_BINARY_SUB_FROM:
        sum_run(*args, first, count, right, step);
        break;
    case ESR_BINARY_MUL:
        product_run(*args, first, count, right, step);
        break;
    default: /* ESR_BINARY_MINIMUM, ESR_BINARY_MAXIMUM */
        limit_run(*args, first, count, right, step);
        break;
    }
}

ESR_HOT void esr_binary_row(const esr_binary *args)
{
    const size_t channels = args->channels;
    const size_t next = args->right_pixels == 1 ? 0 : args->right_channels;
    const int8_t *right = args->right;
    size_t count = channels;

    if (args->right_channels == channels && args->right_pixels == args->pixels) {
        count *= args->pixels; /* both rows are one run */
    }
    for (size_t first = 0; first < channels * args->pixels; first += count, right += next) {
        if (args->right_channels == channels) {
            run(args, first, count, right, 1);
        } else {
            run(args, first, count, right, 0);
        }
    }
}

#endif
