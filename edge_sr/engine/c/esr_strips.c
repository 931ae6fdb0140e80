/* SPDX-License-Identifier: Apache-2.0 */
/* Part of edge-sr's engine: divides frames that are wider than an engine into column strips. */
#include "esr.h"

#include <string.h>

/* The halo rounded up to a multiple of column_step. */
static uint32_t overlap_of(const esr_info *info)
{
    const uint32_t step = info->column_step;

    return info->halo / step * step + (info->halo % step != 0 ? step : 0);
}

/* Columns from the start of one strip to the next; 0 if a strip consists of nothing but halos. */
static uint32_t advance_of(const esr_info *info)
{
    const uint32_t overlap = overlap_of(info);

    return info->in_width > 2 * (uint64_t)overlap ? info->in_width - 2 * overlap : 0;
}

uint32_t esr_strip_count(const esr_info *info, uint32_t frame_width)
{
    uint32_t rest;

    if (info == NULL || info->column_step == 0 || frame_width < info->in_width ||
        frame_width % info->column_step != 0) {
        return 0;
    }
    rest = frame_width - info->in_width;
    if (rest == 0) {
        return 1;
    }
    return advance_of(info) == 0
               ? 0
               : 1 + rest / advance_of(info) + (rest % advance_of(info) != 0);
}

esr_status esr_find_strip(const esr_info *info, uint32_t frame_width, uint32_t index,
                          esr_strip *strip)
{
    uint32_t count, first, last;

    if (info == NULL || strip == NULL) {
        return ESR_NULL;
    }
    count = esr_strip_count(info, frame_width);
    if (index >= count) {
        return ESR_WIDTH;
    }
    /* The last strip ends with the frame. */
    strip->start =
        index == count - 1 ? frame_width - info->in_width : index * advance_of(info);
    first = index == 0 ? 0 : index * advance_of(info) + overlap_of(info);
    last = index == count - 1 ? frame_width
                              : (index + 1) * advance_of(info) + overlap_of(info);
    strip->drop = (uint32_t)((uint64_t)(first - strip->start) * info->out_width / info->in_width);
    strip->keep = (uint32_t)((uint64_t)(last - first) * info->out_width / info->in_width);
    strip->offset = (uint32_t)((uint64_t)first * info->out_width / info->in_width);
    return ESR_OK;
}

/* The destination of a strip's rows. */
typedef struct target {
    int8_t *out;        /* the strip's first kept pixel in the frame's first output row */
    size_t row_bytes;   /* of the frame's output */
    size_t drop_bytes;
    size_t keep_bytes;
} target;

static int keep_row(void *user, uint32_t y, const int8_t *row)
{
    const target *to = user;

    memcpy(to->out + (size_t)y * to->row_bytes, row + to->drop_bytes, to->keep_bytes);
    return 0;
}

esr_status esr_run_strip(esr_engine *engine, const esr_frame *frame, uint32_t index)
{
    esr_info info;
    esr_strip strip;
    esr_status status;
    target to;

    if (engine == NULL || frame == NULL || frame->in == NULL || frame->out == NULL) {
        return ESR_NULL;
    }
    status = esr_describe(engine, &info);
    if (status == ESR_OK) {
        status = esr_find_strip(&info, frame->width, index, &strip);
    }
    if (status != ESR_OK) {
        return status;
    }
    to.row_bytes = (size_t)((uint64_t)frame->width * info.out_width / info.in_width) *
                   info.out_channels;
    to.out = frame->out + (size_t)strip.offset * info.out_channels;
    to.drop_bytes = (size_t)strip.drop * info.out_channels;
    to.keep_bytes = (size_t)strip.keep * info.out_channels;
    status = esr_begin(engine, frame->height, keep_row, &to);
    for (uint32_t y = 0; status == ESR_OK && y < frame->height; y++) {
        status = esr_push_row(engine, y,
                              frame->in + ((size_t)y * frame->width + strip.start) *
                                              info.in_channels);
    }
    return status == ESR_OK ? esr_end(engine) : status;
}
