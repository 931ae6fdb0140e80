/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: maximum pooling for Cortex-M with Helium, 16 channels at once. */
#include "esr_frame_kernels.h"

#if ESR_FRAMES && ESR_LAYOUT == ESR_LAYOUT_MVE8

#include "esr_mve.h"

/* Channels of a vector. */
#define LANES 16

/* The maxima of the channels `lanes`, from `channel` on, over the columns [start, end) of all rows. */
static int8x16_t maxima(const esr_pool *args, int8x16_t most, uint32_t channel, uint32_t start,
                        uint32_t end, mve_pred16_t lanes)
{
    const uint32_t step = args->channels;

    for (uint32_t y = 0; y < args->rows; y++) {
        const int8_t *in = esr_window_row(&args->in, y) + (size_t)start * step + channel;

        for (uint32_t x = start; x < end; x++, in += step) {
            most = vmaxq_s8(most, vldrbq_z_s8(in, lanes));
        }
    }
    return most;
}

void esr_max_pool_row(const esr_pool *args, const int8_t *previous)
{
    const int8x16_t low = vdupq_n_s8((int8_t)args->low), high = vdupq_n_s8((int8_t)args->high);

    for (uint32_t pixel = 0; pixel < args->pixels; pixel++) {
        const size_t first = (size_t)pixel * args->channels;
        uint32_t start, end;

        esr_pool_columns(args, pixel, &start, &end);
        for (uint32_t channel = 0; channel < args->channels; channel += LANES) {
            const mve_pred16_t lanes = vctp8q(args->channels - channel);
            const int8x16_t least = previous == NULL
                                        ? vdupq_n_s8(INT8_MIN)
                                        : vldrbq_z_s8(previous + first + channel, lanes);
            const int8x16_t most = maxima(args, least, channel, start, end, lanes);

            vstrbq_p_s8(args->out + first + channel, vminq_s8(vmaxq_s8(most, low), high), lanes);
        }
    }
}

#endif
