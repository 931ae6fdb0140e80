/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: compresses an image, which comes row by row, to a .tcz file. An encoder
 * network runs in the engine. docs/reference/tcz.md specifies the file.
 *
 *     esr_open(&engine, plan, plan_bytes, ESR_TCZ_UP(width, step), arena, sizeof arena);
 *     esr_tcz_begin(&tcz, engine, &image, &memory);
 *     for (y = 0; y < height; y++) esr_tcz_push_row(&tcz, y, pixels + y * width * 3);
 *     esr_tcz_end(&tcz);
 *     esr_tcz_write(&tcz, planes, put, user);
 *
 * The network runs while rows are pushed. Its output, the latents, is kept in the caller's memory:
 * one byte per sample. Images whose sides are not multiples of the network's step are padded by
 * repeating their last column and row. The file is never in memory as a whole: because its header
 * holds the lengths of the planes, esr_tcz_write codes every plane twice, first to count its bytes,
 * then to write them. No heap, no globals.
 *
 * Terms, besides those of esr.h:
 *   latents   the encoder network's output, int8 values stored as bytes 0 to 255
 *   plane     one bit of all latents; a file holds the 1 to 8 most significant ones
 *   step      pixels of the image per sample of a channel, along each side: 2, 4, 8 or 16
 */
#ifndef ESR_TCZ_H
#define ESR_TCZ_H

#include "esr.h"
#include "esr_coder.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ESR_TCZ_ID_BYTES 16  /**< Bytes of a network's id in the file. */
#define ESR_TCZ_HASH_BYTES 8 /**< Bytes of a network's hash in the file. */
#define ESR_TCZ_COLOURS 3    /**< Channels of the image: red, green, blue. */

/** A side of an image in pixels, rounded up to a multiple of the network's step. */
#define ESR_TCZ_UP(side, step) (((side) + (step) - 1u) / (step) * (step))

/** Bytes of esr_tcz_memory's latents. `channels` are those of the network's output. */
#define ESR_TCZ_LATENT_BYTES(width, height, step, channels) \
    (ESR_TCZ_UP(width, step) / (step) * (ESR_TCZ_UP(height, step) / (step)) * (channels))

/** Bytes of esr_tcz_memory's row. */
#define ESR_TCZ_ROW_BYTES(width, step) (ESR_TCZ_UP(width, step) * ESR_TCZ_COLOURS)

/** Result of a call. */
typedef enum esr_tcz_status {
    ESR_TCZ_OK = 0,
    ESR_TCZ_NULL,    /**< A pointer is null. */
    ESR_TCZ_NETWORK, /**< The network does not map RGB to 1 to 4 channels at 1/2 to 1/16 size. */
    ESR_TCZ_SIZE,    /**< A side is 0 or above 65535, or the engine was opened for another width. */
    ESR_TCZ_MEMORY,  /**< Latents or row are smaller than required. */
    ESR_TCZ_PLANES,  /**< The number of planes is not 1 to 8. */
    ESR_TCZ_STATE,   /**< The call is not allowed now. */
    ESR_TCZ_ROWS,    /**< A row was skipped, repeated or missing: push all rows from the top. */
    ESR_TCZ_STOPPED  /**< The caller's function asked to stop. */
} esr_tcz_status;

/** Description of the network in the file's header. */
typedef struct esr_tcz_network {
    char id[ESR_TCZ_ID_BYTES];        /**< Printable ASCII, padded with 0. */
    uint8_t hash[ESR_TCZ_HASH_BYTES]; /**< Start of the SHA-256 of the decoder's .tflite file. */
    float low[ESR_CODER_CHANNELS];    /**< Real value of the int8 value -128, per channel. */
    float high[ESR_CODER_CHANNELS];   /**< Real value of the int8 value 127, per channel. */
} esr_tcz_network;

/** An image to compress. */
typedef struct esr_tcz_image {
    const esr_tcz_network *network; /**< Must outlive the esr_tcz. */
    uint32_t width;                 /**< Pixels, 1 to 65535. */
    uint32_t height;                /**< Pixels, 1 to 65535. */
} esr_tcz_image;

/** The caller's memory, which must outlive the esr_tcz. */
typedef struct esr_tcz_memory {
    uint8_t *latents;    /**< Holds the latents from esr_tcz_begin() until the next one. */
    size_t latent_bytes; /**< At least ESR_TCZ_LATENT_BYTES. */
    int8_t *row;         /**< Holds one padded row until esr_tcz_end(). */
    size_t row_bytes;    /**< At least ESR_TCZ_ROW_BYTES. */
} esr_tcz_memory;

/** State of the compressor, most of it the coder. Allocate it anywhere; its fields are private. */
typedef struct esr_tcz {
    esr_engine *engine;
    esr_tcz_image image;
    esr_tcz_memory memory;
    esr_coder_shape shape; /* of the latents */
    uint32_t in_width;     /* padded width of the image */
    uint32_t step;         /* pixels per sample, along each side */
    uint32_t state;
    esr_coder coder;
} esr_tcz;

/**
 * Start an image.
 *
 * @param[out] tcz The state.
 * @param engine An engine that was opened with an encoder network for the width ESR_TCZ_UP(width,
 *     step). It must not be used for anything else until esr_tcz_end().
 * @param image Size and network; copied.
 * @param memory The caller's memory; the struct is copied.
 * @return ESR_TCZ_OK, ESR_TCZ_NULL, ESR_TCZ_NETWORK, ESR_TCZ_SIZE, ESR_TCZ_MEMORY or ESR_TCZ_STATE.
 */
esr_tcz_status esr_tcz_begin(esr_tcz *tcz, esr_engine *engine, const esr_tcz_image *image,
                             const esr_tcz_memory *memory);

/**
 * Push the next row.
 *
 * After ESR_TCZ_ROWS only esr_tcz_begin() is accepted.
 *
 * @param tcz The state.
 * @param y Number of the row: 0 first, then 1, 2, ...
 * @param row width * 3 bytes: red, green, blue of each pixel, 0 to 255. Copied.
 * @return ESR_TCZ_OK, ESR_TCZ_NULL, ESR_TCZ_STATE or ESR_TCZ_ROWS.
 */
esr_tcz_status esr_tcz_push_row(esr_tcz *tcz, uint32_t y, const uint8_t *row);

/**
 * End the image after its last row: the latents are complete.
 *
 * @param tcz The state.
 * @return ESR_TCZ_OK, ESR_TCZ_NULL, ESR_TCZ_STATE or ESR_TCZ_ROWS.
 */
esr_tcz_status esr_tcz_end(esr_tcz *tcz);

/**
 * Write the file. Can be called again, also with another number of planes.
 *
 * @param tcz The state, after esr_tcz_end().
 * @param planes Number of planes to keep, the most significant ones: 1 to 8. 8 keeps all.
 * @param put Receives the bytes of the file, some at a time.
 * @param user Passed to `put`; can be null.
 * @return ESR_TCZ_OK, ESR_TCZ_NULL, ESR_TCZ_PLANES, ESR_TCZ_STATE, or ESR_TCZ_STOPPED: the bytes
 *     written so far are not a whole file.
 */
esr_tcz_status esr_tcz_write(esr_tcz *tcz, uint32_t planes, esr_put put, void *user);

/** Return sizeof(esr_tcz) in bytes, for callers in other languages. */
size_t esr_tcz_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
