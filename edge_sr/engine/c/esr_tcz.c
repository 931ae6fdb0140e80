/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: runs an encoder network, keeps its latents and writes them as a .tcz
 * file.
 */
#include "esr_tcz.h"

#include <string.h>

#define VERSION 1
#define COLOUR_RGB 1
#define KIND_CLIPPING 0
#define MAX_STEP 16u

/* Bytes of the header: fixed part, ranges, planes and CRC. */
#define HEADER_BYTES(channels, planes) (44u + 8u * (channels) + 8u * (planes) + 4u)

enum state {
    IDLE = 0, /* waits for esr_tcz_begin */
    FEEDING,  /* waits for rows */
    COMPLETE  /* the latents can be written */
};

/* Length and checksum of a coded plane. */
typedef struct segment {
    uint32_t bytes;
    uint32_t crc;
} segment;

/* --- rows to latents */

static int is_encoder(const esr_info *info)
{
    const uint32_t step = info->rows_den;

    return info->in_channels == ESR_TCZ_COLOURS && info->out_channels <= ESR_CODER_CHANNELS &&
           info->rows_num == 1 && step >= 2 && step <= MAX_STEP && (step & (step - 1)) == 0;
}

static int has_room(const esr_tcz *tcz)
{
    const esr_tcz_memory *memory = &tcz->memory;
    const size_t area = (size_t)tcz->shape.width * tcz->shape.height;

    return memory->latent_bytes / tcz->shape.channels >= area &&
           memory->row_bytes / ESR_TCZ_COLOURS >= tcz->in_width;
}

static int is_valid_size(uint32_t side)
{
    return side >= 1 && side <= ESR_CODER_SIDE;
}

/* Store a row of latents, NHWC int8, as one plane of unsigned bytes per channel. */
static int keep_row(void *user, uint32_t y, const int8_t *row)
{
    const esr_tcz *tcz = user;
    const esr_coder_shape *shape = &tcz->shape;

    for (uint32_t c = 0; c < shape->channels; c++) {
        uint8_t *to = tcz->memory.latents + ((size_t)c * shape->height + y) * shape->width;

        for (uint32_t x = 0; x < shape->width; x++) {
            to[x] = (uint8_t)((uint8_t)row[x * shape->channels + c] ^ 0x80u);
        }
    }
    return 0;
}

esr_tcz_status esr_tcz_begin(esr_tcz *tcz, esr_engine *engine, const esr_tcz_image *image,
                             const esr_tcz_memory *memory)
{
    esr_info info;

    if (tcz == NULL || engine == NULL || image == NULL || image->network == NULL ||
        memory == NULL || memory->latents == NULL || memory->row == NULL) {
        return ESR_TCZ_NULL;
    }
    tcz->state = IDLE;
    tcz->engine = engine;
    tcz->image = *image;
    tcz->memory = *memory;
    (void)esr_describe(engine, &info);
    if (!is_encoder(&info)) {
        return ESR_TCZ_NETWORK;
    }
    tcz->step = info.rows_den;
    tcz->in_width = info.in_width;
    tcz->shape.channels = info.out_channels;
    tcz->shape.height = ESR_TCZ_UP(image->height, tcz->step) / tcz->step;
    tcz->shape.width = info.out_width;
    if (!is_valid_size(image->width) || !is_valid_size(image->height) ||
        ESR_TCZ_UP(image->width, tcz->step) != info.in_width) {
        return ESR_TCZ_SIZE;
    }
    if (!has_room(tcz)) {
        return ESR_TCZ_MEMORY;
    }
    if (esr_begin(engine, tcz->shape.height * tcz->step, keep_row, tcz) != ESR_OK) {
        return ESR_TCZ_STATE;
    }
    tcz->state = FEEDING;
    return ESR_TCZ_OK;
}

/* Convert a row to int8 and repeat its last pixel up to the network's width. */
static void pad_row(const esr_tcz *tcz, const uint8_t *row)
{
    const size_t given = (size_t)tcz->image.width * ESR_TCZ_COLOURS;
    const size_t padded = (size_t)tcz->in_width * ESR_TCZ_COLOURS;
    int8_t *to = tcz->memory.row;

    for (size_t i = 0; i < given; i++) {
        to[i] = (int8_t)(row[i] - 128);
    }
    for (size_t i = given; i < padded; i++) {
        to[i] = to[i - ESR_TCZ_COLOURS];
    }
}

static esr_tcz_status push(esr_tcz *tcz, uint32_t y)
{
    if (esr_push_row(tcz->engine, y, tcz->memory.row) != ESR_OK) {
        tcz->state = IDLE;
        return ESR_TCZ_ROWS;
    }
    return ESR_TCZ_OK;
}

esr_tcz_status esr_tcz_push_row(esr_tcz *tcz, uint32_t y, const uint8_t *row)
{
    if (tcz == NULL || row == NULL) {
        return ESR_TCZ_NULL;
    }
    if (tcz->state != FEEDING) {
        return ESR_TCZ_STATE;
    }
    if (y >= tcz->image.height) {
        tcz->state = IDLE;
        return ESR_TCZ_ROWS;
    }
    pad_row(tcz, row);
    return push(tcz, y);
}

esr_tcz_status esr_tcz_end(esr_tcz *tcz)
{
    esr_tcz_status status = ESR_TCZ_OK;

    if (tcz == NULL) {
        return ESR_TCZ_NULL;
    }
    if (tcz->state != FEEDING) {
        return ESR_TCZ_STATE;
    }
    for (uint32_t y = tcz->image.height;
         status == ESR_TCZ_OK && y < tcz->shape.height * tcz->step; y++) {
        status = push(tcz, y); /* tcz->memory.row still holds the last row */
    }
    if (status == ESR_TCZ_OK) {
        status = esr_end(tcz->engine) == ESR_OK ? ESR_TCZ_OK : ESR_TCZ_ROWS;
        tcz->state = status == ESR_TCZ_OK ? COMPLETE : IDLE;
    }
    return status;
}

/* --- latents to a file */

static int count_bytes(void *user, const uint8_t *bytes, size_t count)
{
    segment *counted = user;

    counted->bytes += (uint32_t)count;
    counted->crc = esr_crc32(counted->crc, bytes, count);
    return 0;
}

static void count_planes(esr_tcz *tcz, segment *segments, uint32_t planes)
{
    memset(segments, 0, planes * sizeof *segments);
    (void)esr_coder_begin(&tcz->coder, &tcz->shape);
    for (uint32_t i = 0; i < planes; i++) {
        (void)esr_encode_plane(&tcz->coder, tcz->memory.latents, count_bytes, &segments[i]);
    }
}

static esr_tcz_status put_planes(esr_tcz *tcz, uint32_t planes, esr_put put, void *user)
{
    (void)esr_coder_begin(&tcz->coder, &tcz->shape);
    for (uint32_t i = 0; i < planes; i++) {
        if (esr_encode_plane(&tcz->coder, tcz->memory.latents, put, user) != ESR_CODER_OK) {
            return ESR_TCZ_STOPPED;
        }
    }
    return ESR_TCZ_OK;
}

/* Append the low `bytes` bytes of a value, little-endian. Returns the end. */
static uint8_t *add(uint8_t *to, uint32_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> 8 * i);
    }
    return to + bytes;
}

static uint8_t *add_float(uint8_t *to, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return add(to, bits, sizeof bits);
}

static uint8_t *add_bytes(uint8_t *to, const void *bytes, size_t count)
{
    memcpy(to, bytes, count);
    return to + count;
}

static uint8_t *add_fixed(uint8_t *to, const esr_tcz *tcz, uint32_t planes)
{
    static const uint8_t magic[4] = {0x89, 'T', 'C', 'Z'};
    const esr_tcz_network *network = tcz->image.network;

    to = add_bytes(to, magic, sizeof magic);
    to = add(to, VERSION, 1);
    to = add(to, COLOUR_RGB, 1);
    to = add(to, tcz->shape.channels, 1);
    to = add(to, planes, 1);
    to = add(to, KIND_CLIPPING, 1);
    to = add(to, 0, 1);
    to = add(to, tcz->step * tcz->step, 2);
    to = add(to, tcz->image.width, 4);
    to = add(to, tcz->image.height, 4);
    to = add_bytes(to, network->id, ESR_TCZ_ID_BYTES);
    return add_bytes(to, network->hash, ESR_TCZ_HASH_BYTES);
}

static int put_header(const esr_tcz *tcz, const segment *segments, uint32_t planes, esr_put put,
                      void *user)
{
    uint8_t header[HEADER_BYTES(ESR_CODER_CHANNELS, ESR_CODER_PLANES)];
    uint8_t *to = add_fixed(header, tcz, planes);

    for (uint32_t i = 0; i < tcz->shape.channels; i++) {
        to = add_float(to, tcz->image.network->low[i]);
        to = add_float(to, tcz->image.network->high[i]);
    }
    for (uint32_t i = 0; i < planes; i++) {
        to = add(to, segments[i].bytes, 4);
        to = add(to, segments[i].crc, 4);
    }
    to = add(to, esr_crc32(0, header, (size_t)(to - header)), 4);
    return put(user, header, (size_t)(to - header));
}

esr_tcz_status esr_tcz_write(esr_tcz *tcz, uint32_t planes, esr_put put, void *user)
{
    segment segments[ESR_CODER_PLANES];

    if (tcz == NULL || put == NULL) {
        return ESR_TCZ_NULL;
    }
    if (tcz->state != COMPLETE) {
        return ESR_TCZ_STATE;
    }
    if (planes < 1 || planes > ESR_CODER_PLANES) {
        return ESR_TCZ_PLANES;
    }
    count_planes(tcz, segments, planes);
    if (put_header(tcz, segments, planes, put, user) != 0) {
        return ESR_TCZ_STOPPED;
    }
    return put_planes(tcz, planes, put, user);
}

size_t esr_tcz_bytes(void)
{
    return sizeof(esr_tcz);
}
