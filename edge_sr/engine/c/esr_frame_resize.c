/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: portable kernels that choose or interpolate pixels, see
 * esr_frame_kernels.h. */
#include "esr_frame_kernels.h"

#if ESR_FRAMES

#ifndef ESR_HOT
#define ESR_HOT
#endif

#include <string.h>

void esr_gather_row(const esr_gather *args)
{
    int8_t *out = args->out;

    for (uint32_t pixel = 0; pixel < args->pixels; pixel++, out += args->channels) {
        const int8_t *in = args->in + (size_t)args->columns[pixel] * args->in_channels;

        if (args->channel_step == 1) {
            memcpy(out, in, args->channels);
            continue;
        }
        for (uint32_t channel = 0; channel < args->channels; channel++) {
            out[channel] = in[(size_t)channel * args->channel_step];
        }
    }
}

/* One pixel between the columns left and right of it. */
ESR_INLINE void interpolate(const esr_bilinear *args, size_t left, size_t right, int32_t distance,
                            int8_t *out)
{
    const int32_t down = args->distance, up = ESR_POSITION_ONE - down;
    const int32_t before = ESR_POSITION_ONE - distance;

    for (uint32_t channel = 0; channel < args->channels; channel++) {
        const int32_t first = args->above[left + channel] * up + args->below[left + channel] * down;
        const int32_t second =
            args->above[right + channel] * up + args->below[right + channel] * down;
        const int32_t sum = first * before + second * distance;
        const int32_t half = INT32_C(1) << (2 * ESR_POSITION_BITS - 1);

        /* Ties are rounded away from zero; C's division rounds toward it. */
        out[channel] = (int8_t)((sum > 0 ? sum + half : sum - half) / (2 * half));
    }
}

ESR_HOT void esr_bilinear_row(const esr_bilinear *args)
{
    int32_t position = args->offset;

    for (uint32_t pixel = 0; pixel < args->pixels; pixel++, position += (int32_t)args->step) {
        const esr_neighbours columns = esr_neighbours_of(position, args->in_pixels - 1);

        interpolate(args, (size_t)columns.lower * args->channels,
                    (size_t)columns.upper * args->channels, columns.distance,
                    args->out + (size_t)pixel * args->channels);
    }
}

#endif
