/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: compresses an image, which comes row by row, to a .tcz file of version
 * 2. An encoder network runs in the engine; docs/reference/tcz.md specifies the file.
 *
 *     esr_open(&engine, plan, plan_bytes, ESR_TCZ2_UP(width), arena, sizeof arena);
 *     esr_tcz2_begin(&tcz, engine, &image, &memory, put, user);
 *     for (y = 0; y < height; y++) esr_tcz2_push_row(&tcz, y, pixels + y * width * 3);
 *     esr_tcz2_end(&tcz);
 *
 * The file leaves while rows come in: its header at once, then each part as soon as the last of its
 * rows is complete. The network runs while rows are pushed, and each row of symbols that it gives
 * goes straight to the symbol coder, so that neither image nor symbols are ever in memory. Images
 * whose sides are not multiples of 8 are padded by repeating their last column and row. No heap, no
 * globals.
 *
 * Terms, besides those of esr.h:
 *   symbol    a value of the encoder network's int8 output, one per channel and block of 8x8 pixels
 *   part      some rows of symbols, coded together; a file that is cut after a part decodes so far
 *   context   the small network that predicts symbols from those before (esr_symbols.h)
 */
#ifndef ESR_TCZ2_H
#define ESR_TCZ2_H

#include "esr.h"
#include "esr_symbols.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ESR_TCZ2_ID_BYTES 16  /**< Bytes of a codec's id in the file. */
#define ESR_TCZ2_HASH_BYTES 8 /**< Bytes of a hash in the file. */
#define ESR_TCZ2_COLOURS 3    /**< Channels of the image: red, green, blue. */
#define ESR_TCZ2_STEP 8u      /**< Pixels per symbol of a channel, along each side. */

/** A side of an image in pixels, rounded up to a multiple of ESR_TCZ2_STEP. */
#define ESR_TCZ2_UP(side) (((side) + ESR_TCZ2_STEP - 1u) / ESR_TCZ2_STEP * ESR_TCZ2_STEP)

/** Bytes of esr_tcz2_memory's row. */
#define ESR_TCZ2_ROW_BYTES(width) (ESR_TCZ2_UP(width) * ESR_TCZ2_COLOURS)

/** Bytes of esr_tcz2_memory's part: those of its symbols. Parts of photographs take a quarter. */
#define ESR_TCZ2_PART_BYTES(width, channels, rows) \
    (ESR_TCZ2_UP(width) / ESR_TCZ2_STEP * (channels) * (rows))

/** Result of a call. */
typedef enum esr_tcz2_status {
    ESR_TCZ2_OK = 0,
    ESR_TCZ2_NULL,    /**< A pointer is null. */
    ESR_TCZ2_NETWORK, /**< The network does not map RGB to int8 symbols at 1/8 size. */
    ESR_TCZ2_CONTEXT, /**< The context is damaged, or for another number of channels. */
    ESR_TCZ2_SIZE,    /**< A side or the rows of a part are out of range, or the engine's differ. */
    ESR_TCZ2_MEMORY,  /**< Row, part or coder are smaller than required. */
    ESR_TCZ2_STATE,   /**< The call is not allowed now. */
    ESR_TCZ2_ROWS,    /**< A row was skipped, repeated or missing: push all rows from the top. */
    ESR_TCZ2_PART,    /**< A part does not fit its memory; the file ends with the part before. */
    ESR_TCZ2_STOPPED  /**< The caller's function asked to stop. */
} esr_tcz2_status;

/** Description of the codec in the file's header, and its context. */
typedef struct esr_tcz2_codec {
    char id[ESR_TCZ2_ID_BYTES];                /**< Printable ASCII, padded with 0. */
    uint8_t hash[ESR_TCZ2_HASH_BYTES];         /**< Start of the decoder's SHA-256. */
    uint8_t context_hash[ESR_TCZ2_HASH_BYTES]; /**< Start of the context's SHA-256. */
    uint16_t place;      /**< The quality: position among the codec's gains, in 1/256. */
    const void *context; /**< Aligned to ESR_SYMBOLS_ALIGNMENT; can be in flash. */
    size_t context_bytes;
} esr_tcz2_codec;

/** An image to compress. */
typedef struct esr_tcz2_image {
    const esr_tcz2_codec *codec; /**< Must outlive the esr_tcz2. */
    uint32_t width;              /**< Pixels, 1 to 65535. */
    uint32_t height;             /**< Pixels, 1 to 65535. */
    uint32_t rows_per_part;      /**< Rows of symbols in a part, 1 to 65535; the last has the rest. */
} esr_tcz2_image;

/** The caller's memory, which must outlive the esr_tcz2. */
typedef struct esr_tcz2_memory {
    int8_t *row;         /**< Holds one padded row of pixels. */
    size_t row_bytes;    /**< At least ESR_TCZ2_ROW_BYTES. */
    void *coder;         /**< State of the symbol coder, aligned to ESR_SYMBOLS_ALIGNMENT. */
    size_t coder_bytes;  /**< At least esr_symbols_bytes(). */
    uint8_t *part;       /**< Holds the bytes of a part until it is complete. */
    size_t part_bytes;   /**< Any size; ESR_TCZ2_PART_BYTES is enough for photographs. */
} esr_tcz2_memory;

/** State of the compressor. Allocate it anywhere; its fields are private. */
typedef struct esr_tcz2 {
    esr_engine *engine;
    esr_tcz2_image image;
    esr_tcz2_memory memory;
    esr_put put;
    void *user;
    esr_symbols *coder;    /* in the caller's memory */
    esr_bytes part;        /* the part that is being coded */
    uint32_t in_width;     /* padded width of the image */
    uint32_t rows;         /* of symbols, in the image */
    uint32_t channels;     /* of the symbols */
    uint32_t state;
    esr_tcz2_status fault; /* why the sink stopped the engine */
} esr_tcz2;

/**
 * Start an image, and write the header of its file.
 *
 * @param[out] tcz The state.
 * @param engine An engine that was opened with an encoder network for the width ESR_TCZ2_UP(width);
 *     a network of one size has the height ESR_TCZ2_UP(height) too. It must not be used for
 *     anything else until esr_tcz2_end().
 * @param image Size and codec; copied.
 * @param memory The caller's memory; the struct is copied.
 * @param put Receives the bytes of the file, some at a time, until esr_tcz2_end().
 * @param user Passed to `put`; can be null.
 * @return ESR_TCZ2_OK, ESR_TCZ2_NULL, ESR_TCZ2_NETWORK, ESR_TCZ2_CONTEXT, ESR_TCZ2_SIZE,
 *     ESR_TCZ2_MEMORY, ESR_TCZ2_STATE or ESR_TCZ2_STOPPED.
 */
esr_tcz2_status esr_tcz2_begin(esr_tcz2 *tcz, esr_engine *engine, const esr_tcz2_image *image,
                               const esr_tcz2_memory *memory, esr_put put, void *user);

/**
 * Push the next row. Parts that it completes are written before the call returns.
 *
 * After any status but ESR_TCZ2_OK only esr_tcz2_begin() is accepted.
 *
 * @param tcz The state.
 * @param y Number of the row: 0 first, then 1, 2, ...
 * @param row width * 3 bytes: red, green, blue of each pixel, 0 to 255. Copied.
 * @return ESR_TCZ2_OK, ESR_TCZ2_NULL, ESR_TCZ2_STATE, ESR_TCZ2_ROWS, ESR_TCZ2_PART or
 *     ESR_TCZ2_STOPPED.
 */
esr_tcz2_status esr_tcz2_push_row(esr_tcz2 *tcz, uint32_t y, const uint8_t *row);

/**
 * End the image after its last row: the remaining parts are written, and the file is complete.
 *
 * @param tcz The state.
 * @return As of esr_tcz2_push_row().
 */
esr_tcz2_status esr_tcz2_end(esr_tcz2 *tcz);

/** Return sizeof(esr_tcz2) in bytes, for callers in other languages. */
size_t esr_tcz2_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
