/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: runs an encoder network and writes its symbols, part by part, as a .tcz
 * file of version 2.
 */
#include "esr_tcz2.h"

#include <string.h>

#define VERSION 2
#define KIND_CAE 1
#define COLOUR_RGB 1
#define LARGEST 127
#define MAX_SIDE 65535u
#define HEADER_BYTES 60u
#define PART_HEAD_BYTES 8u

enum state {
    IDLE = 0, /* waits for esr_tcz2_begin */
    FEEDING   /* waits for rows */
};

/* --- bytes of the file */

/* Append the low `bytes` bytes of a value, little-endian. Returns the end. */
static uint8_t *add(uint8_t *to, uint32_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> 8 * i);
    }
    return to + bytes;
}

static uint8_t *add_bytes(uint8_t *to, const void *bytes, size_t count)
{
    memcpy(to, bytes, count);
    return to + count;
}

static int put_header(const esr_tcz2 *tcz)
{
    static const uint8_t magic[4] = {0x89, 'T', 'C', 'Z'};
    const esr_tcz2_codec *codec = tcz->image.codec;
    uint8_t header[HEADER_BYTES];
    uint8_t *to = add_bytes(header, magic, sizeof magic);

    to = add(to, VERSION, 1);
    to = add(to, KIND_CAE, 1);
    to = add(to, COLOUR_RGB, 1);
    to = add(to, ESR_TCZ2_STEP, 1);
    to = add(to, tcz->channels, 2);
    to = add(to, (uint32_t)-LARGEST, 1);
    to = add(to, LARGEST, 1);
    to = add(to, tcz->image.width, 4);
    to = add(to, tcz->image.height, 4);
    to = add(to, codec->place, 2);
    to = add(to, tcz->image.rows_per_part, 2);
    to = add_bytes(to, codec->id, ESR_TCZ2_ID_BYTES);
    to = add_bytes(to, codec->hash, ESR_TCZ2_HASH_BYTES);
    to = add_bytes(to, codec->context_hash, ESR_TCZ2_HASH_BYTES);
    to = add(to, esr_crc32(0, header, (size_t)(to - header)), 4);
    return tcz->put(tcz->user, header, (size_t)(to - header));
}

/* Write the part that is complete: its size, its CRC-32 and its bytes. */
static esr_tcz2_status put_part(const esr_tcz2 *tcz)
{
    const esr_bytes *part = &tcz->part;
    uint8_t head[PART_HEAD_BYTES];

    (void)add(add(head, (uint32_t)part->used, 4), esr_crc32(0, part->bytes, part->used), 4);
    if (tcz->put(tcz->user, head, sizeof head) != 0 ||
        tcz->put(tcz->user, part->bytes, part->used) != 0) {
        return ESR_TCZ2_STOPPED;
    }
    return ESR_TCZ2_OK;
}

/* --- rows of symbols to parts */

/* Code a row of symbols. The coder only fails if the part is full: esr_put_bytes refuses bytes. */
static esr_tcz2_status code_row(esr_tcz2 *tcz, uint32_t y, const int8_t *symbols)
{
    const uint32_t within = y % tcz->image.rows_per_part;

    if (within == 0) {
        tcz->part.used = 0;
        (void)esr_symbols_start_encoding(tcz->coder, esr_put_bytes, &tcz->part);
    }
    if (esr_symbols_encode_row(tcz->coder, symbols) != ESR_SYMBOLS_OK) {
        return ESR_TCZ2_PART;
    }
    if (within + 1 < tcz->image.rows_per_part && y + 1 < tcz->rows) {
        return ESR_TCZ2_OK;
    }
    if (esr_symbols_finish(tcz->coder) != ESR_SYMBOLS_OK) {
        return ESR_TCZ2_PART;
    }
    return put_part(tcz);
}

static int take_row(void *user, uint32_t y, const int8_t *symbols)
{
    esr_tcz2 *tcz = user;

    tcz->fault = code_row(tcz, y, symbols);
    return tcz->fault != ESR_TCZ2_OK;
}

/* --- rows of pixels to rows of symbols */

static int is_encoder(const esr_info *info)
{
    return info->in_channels == ESR_TCZ2_COLOURS && info->out_channels <= ESR_SYMBOLS_CHANNELS &&
           info->rows_den == info->rows_num * ESR_TCZ2_STEP &&
           info->in_width == info->out_width * ESR_TCZ2_STEP;
}

static int is_valid_size(const esr_tcz2_image *image, const esr_info *info)
{
    return image->width >= 1 && image->width <= MAX_SIDE && image->height >= 1 &&
           image->height <= MAX_SIDE && image->rows_per_part >= 1 &&
           image->rows_per_part <= MAX_SIDE && ESR_TCZ2_UP(image->width) == info->in_width &&
           ESR_TCZ2_UP(image->height) % info->rows_den == 0;
}

/* The channels that a context is for; esr_symbols_open has checked it. */
static uint32_t channels_of(const uint8_t *context)
{
    return context[4] | (uint32_t)context[5] << 8;
}

static esr_tcz2_status open_coder(esr_tcz2 *tcz, uint32_t width)
{
    const esr_tcz2_codec *codec = tcz->image.codec;
    const esr_symbols_status status =
        esr_symbols_open(&tcz->coder, codec->context, codec->context_bytes, width,
                         tcz->memory.coder, tcz->memory.coder_bytes);

    if (status != ESR_SYMBOLS_OK) {
        return status == ESR_SYMBOLS_MEMORY ? ESR_TCZ2_MEMORY : ESR_TCZ2_CONTEXT;
    }
    return channels_of(codec->context) == tcz->channels ? ESR_TCZ2_OK : ESR_TCZ2_CONTEXT;
}

/* Check the engine and the memory for an image, and open the coder. */
static esr_tcz2_status prepare(esr_tcz2 *tcz)
{
    const esr_tcz2_memory *memory = &tcz->memory;
    esr_info info;

    (void)esr_describe(tcz->engine, &info);
    if (!is_encoder(&info)) {
        return ESR_TCZ2_NETWORK;
    }
    if (!is_valid_size(&tcz->image, &info)) {
        return ESR_TCZ2_SIZE;
    }
    tcz->in_width = info.in_width;
    tcz->channels = info.out_channels;
    tcz->rows = ESR_TCZ2_UP(tcz->image.height) / ESR_TCZ2_STEP;
    tcz->part.bytes = memory->part;
    tcz->part.room = memory->part_bytes;
    if (memory->row_bytes / ESR_TCZ2_COLOURS < info.in_width) {
        return ESR_TCZ2_MEMORY;
    }
    return open_coder(tcz, info.out_width);
}

esr_tcz2_status esr_tcz2_begin(esr_tcz2 *tcz, esr_engine *engine, const esr_tcz2_image *image,
                               const esr_tcz2_memory *memory, esr_put put, void *user)
{
    esr_tcz2_status status;

    if (tcz == NULL || engine == NULL || image == NULL || image->codec == NULL ||
        image->codec->context == NULL || memory == NULL || memory->row == NULL ||
        memory->coder == NULL || memory->part == NULL || put == NULL) {
        return ESR_TCZ2_NULL;
    }
    tcz->state = IDLE;
    tcz->engine = engine;
    tcz->image = *image;
    tcz->memory = *memory;
    tcz->put = put;
    tcz->user = user;
    tcz->fault = ESR_TCZ2_OK;
    status = prepare(tcz);
    if (status != ESR_TCZ2_OK) {
        return status;
    }
    if (esr_begin(engine, tcz->rows * ESR_TCZ2_STEP, take_row, tcz) != ESR_OK) {
        return ESR_TCZ2_STATE;
    }
    if (put_header(tcz) != 0) {
        return ESR_TCZ2_STOPPED;
    }
    tcz->state = FEEDING;
    return ESR_TCZ2_OK;
}

/* Convert a row to int8 and repeat its last pixel up to the network's width. */
static void pad_row(const esr_tcz2 *tcz, const uint8_t *row)
{
    const size_t given = (size_t)tcz->image.width * ESR_TCZ2_COLOURS;
    const size_t padded = (size_t)tcz->in_width * ESR_TCZ2_COLOURS;
    int8_t *to = tcz->memory.row;

    for (size_t i = 0; i < given; i++) {
        to[i] = (int8_t)(row[i] - 128);
    }
    for (size_t i = given; i < padded; i++) {
        to[i] = to[i - ESR_TCZ2_COLOURS];
    }
}

/* Translate the engine's status; any but ESR_OK ends the image. */
static esr_tcz2_status finish(esr_tcz2 *tcz, esr_status status)
{
    if (status == ESR_OK) {
        return ESR_TCZ2_OK;
    }
    tcz->state = IDLE;
    return tcz->fault != ESR_TCZ2_OK ? tcz->fault : ESR_TCZ2_ROWS;
}

esr_tcz2_status esr_tcz2_push_row(esr_tcz2 *tcz, uint32_t y, const uint8_t *row)
{
    if (tcz == NULL || row == NULL) {
        return ESR_TCZ2_NULL;
    }
    if (tcz->state != FEEDING) {
        return ESR_TCZ2_STATE;
    }
    if (y >= tcz->image.height) {
        tcz->state = IDLE;
        return ESR_TCZ2_ROWS;
    }
    pad_row(tcz, row);
    return finish(tcz, esr_push_row(tcz->engine, y, tcz->memory.row));
}

esr_tcz2_status esr_tcz2_end(esr_tcz2 *tcz)
{
    esr_tcz2_status status = ESR_TCZ2_OK;

    if (tcz == NULL) {
        return ESR_TCZ2_NULL;
    }
    if (tcz->state != FEEDING) {
        return ESR_TCZ2_STATE;
    }
    for (uint32_t y = tcz->image.height;
         status == ESR_TCZ2_OK && y < tcz->rows * ESR_TCZ2_STEP; y++) {
        status = finish(tcz, esr_push_row(tcz->engine, y, tcz->memory.row)); /* the last row */
    }
    if (status == ESR_TCZ2_OK) {
        status = finish(tcz, esr_end(tcz->engine));
        tcz->state = IDLE;
    }
    return status;
}

size_t esr_tcz2_bytes(void)
{
    return sizeof(esr_tcz2);
}
