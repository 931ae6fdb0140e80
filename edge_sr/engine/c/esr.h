/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edge-sr's engine: runs an int8 convolutional network row by row in a few kilobytes of RAM.
 *
 * Upscale a frame:
 *
 *     static uint64_t arena[ARENA_BYTES / 8];            // ARENA_BYTES: see esr_arena_bytes
 *
 *     static int write_row(void *user, uint32_t y, const int8_t *row)
 *     {
 *         ...                                            // row y of the output is ready
 *         return 0;
 *     }
 *
 *     esr_engine *engine;
 *     esr_open(&engine, plan, plan_bytes, width, arena, sizeof arena);
 *     esr_begin(engine, height, write_row, NULL);
 *     for (uint32_t y = 0; y < height; y++) {
 *         esr_push_row(engine, y, pixels + y * width * channels);
 *     }
 *     esr_end(engine);
 *
 * A frame that lies in memory as a whole is upscaled by one call of esr_run_strip. The folder
 * examples/ of edge-sr's repository has complete programs in C and C++.
 *
 * All state is in the caller's arena: no heap, no globals, no recursion. Several engines can run at
 * once, each in its own arena; one engine must not be used by two threads at once. The plan is
 * written by edge_sr/engine/plan_format.py, is only read, and can stay in flash. esr_open checks it
 * as untrusted input: whatever it holds, the engine never reads or writes outside plan and arena.
 *
 * A frame plan (edge_sr/engine/frame_format.py) runs a network on frames of one size, for example a
 * classifier: esr_open accepts only its width and esr_begin only its height, rows_den of esr_info.
 * A vector of N values comes out as one row of one pixel with N channels.
 *
 * Glossary:
 *   arena       the caller's memory that holds the engine's state, its ring buffers and scratch
 *   halo        input columns on each side of a pixel that its output depends on
 *   latency     input rows that must follow a row before the output rows it belongs to are known
 *   layout      the order of the weights in a plan, which depends on the processor's instructions
 *   multiplier, the two integers of a requantization scale: multiplier * 2^(shift - 31),
 *     shift     0 <= multiplier < 2^31, -31 <= shift <= 30
 *   NHWC        order of values in memory: row, then pixel, then channel
 *   plan        a compiled network: buffers, operators, the program of a step, constants
 *   ring buffer the last rows of a tensor, as many as the kernels that read it need
 *   row         all pixels of one line of a frame: width x channels values, NHWC. They are int8;
 *               a network with uint8 input or output takes or gives the bytes of uint8 values
 *   scratch     memory of one kernel while it computes a row (im2col); nothing is kept in it
 *   sink        the caller's function that receives finished output rows
 *   step        one run of the plan's program: one unit of input rows
 *   strip       a vertical part of a frame that is wider than the engine
 *   unit        the smallest block of pixels that the network maps to whole pixels: widths and
 *               heights of frames are multiples of it (1 for most upscalers)
 *   zero point  the int8 value q that stands for 0: real value = scale * (q - zero point)
 */
#ifndef ESR_H
#define ESR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of the engine, which is that of the edge-sr package. */
#define ESR_VERSION_MAJOR 0
#define ESR_VERSION_MINOR 1
#define ESR_VERSION_PATCH 0

/** Alignment in bytes of the arena's address. */
#define ESR_ARENA_ALIGNMENT 8

/** Alignment in bytes of the plan's address. */
#define ESR_PLAN_ALIGNMENT 4

/** An open network. It lies at the start of the caller's arena and needs no closing. */
typedef struct esr_engine esr_engine;

/** Result of a call. */
typedef enum esr_status {
    ESR_OK = 0,
    ESR_NULL,        /**< A pointer is null. */
    ESR_MISALIGNED,  /**< The arena or the plan is not aligned. */
    ESR_PLAN,        /**< The plan is damaged or was made for another version or layout. */
    ESR_WIDTH,       /**< The network cannot run at this width. */
    ESR_ARENA,       /**< The arena is smaller than esr_arena_bytes() returns. */
    ESR_HEIGHT,      /**< The network cannot run at this height. */
    ESR_STATE,       /**< The call is not allowed now; esr_begin() is. */
    ESR_ROW_ORDER,   /**< A row was skipped or repeated: rows are pushed from the top, in order. */
    ESR_TOO_MANY,    /**< More rows were pushed than esr_begin() was called with. */
    ESR_TOO_FEW,     /**< esr_end() was called before the last row was pushed. */
    ESR_STOPPED,     /**< The sink returned a value other than 0. */
    ESR_OUTPUT       /**< The network has no output of this number. */
} esr_status;

/**
 * Return the version of the engine that was compiled.
 *
 * Compare it with the macros ESR_VERSION_... to check that header and library belong together.
 *
 * @return major * 10000 + minor * 100 + patch, for example 100 for 0.1.0.
 */
uint32_t esr_version(void);

/**
 * Return what a status means.
 *
 * @param status Any value, also one that is not an esr_status.
 * @return One sentence in English, without a full stop; never null; static, not to be freed.
 */
const char *esr_status_text(esr_status status);

/* --- Upscaling a frame row by row */

/**
 * Receives one finished row of the output.
 *
 * @param user The pointer given to esr_begin().
 * @param y Number of the row: 0, 1, 2, ... in order.
 * @param row out_width * out_channels int8 values, NHWC. Owned by the engine; valid only during
 *     this call.
 * @return 0 to go on. Any other value stops the frame: the esr_push_row() or esr_end() that called
 *     the sink returns ESR_STOPPED.
 */
typedef int (*esr_sink)(void *user, uint32_t y, const int8_t *row);

/**
 * Return the size of the arena that a plan needs.
 *
 * @param plan The plan, aligned to ESR_PLAN_ALIGNMENT.
 * @param plan_bytes Size of the plan in bytes.
 * @param width Width of the input frames in pixels.
 * @return Bytes of the arena: state, ring buffers and scratch. 0 if esr_open() would refuse the
 *     plan or the width. At most 2^31 - 1.
 */
size_t esr_arena_bytes(const void *plan, size_t plan_bytes, uint32_t width);

/**
 * Check a plan and prepare an engine in the arena.
 *
 * @param[out] engine Set to the engine if the call returns ESR_OK, else to null.
 * @param plan The plan, aligned to ESR_PLAN_ALIGNMENT. Must outlive the engine; can be in flash.
 * @param plan_bytes Size of the plan in bytes.
 * @param width Width of the input frames in pixels, a multiple of the network's column_step.
 * @param arena The caller's memory, aligned to ESR_ARENA_ALIGNMENT. Must outlive the engine.
 * @param arena_bytes Size of the arena in bytes, at least esr_arena_bytes().
 * @return ESR_OK, ESR_NULL, ESR_MISALIGNED, ESR_PLAN, ESR_WIDTH or ESR_ARENA.
 */
esr_status esr_open(esr_engine **engine, const void *plan, size_t plan_bytes, uint32_t width,
                    void *arena, size_t arena_bytes);

/** Sizes of an open network. */
typedef struct esr_info {
    uint32_t in_width;     /**< Pixels of an input row, as opened. */
    uint32_t in_channels;  /**< Channels of the input, 1 to 4096; of a frame plan, to 65535. */
    uint32_t out_width;    /**< Pixels of an output row. */
    uint32_t out_channels; /**< Channels of the output, as many. */
    uint32_t rows_num;     /**< A frame of H rows gives H * rows_num / rows_den output rows. */
    uint32_t rows_den;     /**< H must be a multiple of rows_den. */
    uint32_t column_step;  /**< Widths and the columns at which strips start are multiples of it. */
    uint32_t halo;         /**< Input columns on each side that an output pixel depends on. */
    uint32_t latency;      /**< Input rows that must follow a row before its output is known. */
} esr_info;

/**
 * Describe an open network.
 *
 * @param engine The engine.
 * @param[out] info Receives the sizes.
 * @return ESR_OK or ESR_NULL.
 */
esr_status esr_describe(const esr_engine *engine, esr_info *info);

/**
 * Start a frame. A frame that was not finished is dropped.
 *
 * @param engine The engine.
 * @param height Rows of the frame, a multiple of rows_den, at least 1.
 * @param sink Receives the finished rows; not null.
 * @param user Passed to the sink; can be null.
 * @return ESR_OK, ESR_NULL, ESR_HEIGHT, or ESR_STATE if the sink calls it.
 */
esr_status esr_begin(esr_engine *engine, uint32_t height, esr_sink sink, void *user);

/**
 * Push the next input row. Finished output rows are passed to the sink before the call returns.
 *
 * After any status but ESR_OK the frame is over and only esr_begin() is accepted.
 *
 * @param engine The engine.
 * @param y Number of the row: 0 first, then 1, 2, ...
 * @param row in_width * in_channels int8 values, NHWC. The engine copies them.
 * @return ESR_OK, ESR_NULL, ESR_STATE, ESR_ROW_ORDER, ESR_TOO_MANY or ESR_STOPPED.
 */
esr_status esr_push_row(esr_engine *engine, uint32_t y, const int8_t *row);

/**
 * End the frame after its last row: the remaining output rows are passed to the sink.
 *
 * @param engine The engine.
 * @return ESR_OK, ESR_NULL, ESR_STATE, ESR_TOO_FEW or ESR_STOPPED.
 */
esr_status esr_end(esr_engine *engine);

/* --- Networks of several outputs
 *
 * esr_begin() passes the rows of output 0 to its sink, and esr_describe() describes that output. A
 * network of several outputs is started with esr_begin_outputs() instead, and runs with
 * esr_push_row() and esr_end() as any other. These three functions are left out of builds without
 * frame plans (ESR_FRAMES in esr_config.h).
 */

/**
 * Receives one finished row of one output. Rows of different outputs come in any order.
 *
 * @param user The pointer given to esr_begin_outputs().
 * @param output Number of the output: 0, 1, ... in the order of the model file.
 * @param y Number of the row in that output: 0, 1, 2, ... in order.
 * @param row out_width * out_channels int8 values, as esr_describe_output() says. Owned by the
 *     engine; valid only during this call.
 * @return As of esr_sink.
 */
typedef int (*esr_outputs_sink)(void *user, uint32_t output, uint32_t y, const int8_t *row);

/**
 * Return the number of outputs of an open network.
 *
 * @param engine The engine.
 * @return 1 or more; 0 if the engine is null.
 */
uint32_t esr_outputs(const esr_engine *engine);

/**
 * Describe an open network and one of its outputs.
 *
 * @param engine The engine.
 * @param output Number of the output, 0 to esr_outputs() - 1.
 * @param[out] info Receives the sizes; those of the output are of this one.
 * @return ESR_OK, ESR_NULL or ESR_OUTPUT.
 */
esr_status esr_describe_output(const esr_engine *engine, uint32_t output, esr_info *info);

/**
 * Start a frame as esr_begin() does, and receive the rows of all outputs.
 *
 * @param engine The engine.
 * @param height Rows of the frame, as of esr_begin().
 * @param sink Receives the finished rows; not null.
 * @param user Passed to the sink; can be null.
 * @return As of esr_begin().
 */
esr_status esr_begin_outputs(esr_engine *engine, uint32_t height, esr_outputs_sink sink,
                             void *user);

/* --- Frames that are wider than an engine
 *
 * A wide frame is divided into column strips. Each strip is as wide as the engine and runs like a
 * frame of its own; the result has the same bits as the whole frame at once.
 */

/** A strip: push input columns [start, start + in_width) and keep a part of each output row. */
typedef struct esr_strip {
    uint32_t start;  /**< First input column of the strip. */
    uint32_t drop;   /**< Output pixels of each row to skip, from the left. */
    uint32_t keep;   /**< Output pixels of each row to keep after those. */
    uint32_t offset; /**< Column of the frame's output to which the first kept pixel belongs. */
} esr_strip;

/**
 * Return the number of strips that cover a frame.
 *
 * @param info The network, as esr_describe() returns it.
 * @param frame_width Width of the input frame in pixels.
 * @return The number of strips. 0 if the frame is narrower than the engine, if its width is not a
 *     multiple of column_step, or if strips of this width consist of nothing but halos.
 */
uint32_t esr_strip_count(const esr_info *info, uint32_t frame_width);

/**
 * Find one strip of a frame.
 *
 * @param info The network, as esr_describe() returns it.
 * @param frame_width Width of the input frame in pixels.
 * @param index Number of the strip, 0 to esr_strip_count() - 1.
 * @param[out] strip Receives the strip.
 * @return ESR_OK, ESR_NULL, or ESR_WIDTH if there is no strip of this index.
 */
esr_status esr_find_strip(const esr_info *info, uint32_t frame_width, uint32_t index,
                          esr_strip *strip);

/** A whole frame in memory, row after row without gaps. The caller owns both buffers. */
typedef struct esr_frame {
    uint32_t width;    /**< Of the input, in pixels. */
    uint32_t height;   /**< Of the input, in rows. */
    const int8_t *in;  /**< height * width * in_channels values, NHWC. */
    int8_t *out;       /**< Room for the output's values, NHWC; sizes as esr_info says. */
} esr_frame;

/**
 * Run one strip of a frame and write the pixels that it keeps to the frame's output.
 *
 * A frame of the engine's own width has one strip. Several engines of the same width can run
 * different strips of a frame at the same time.
 *
 * @param engine The engine.
 * @param frame The frame; `in` and `out` must not overlap.
 * @param index Number of the strip, 0 to esr_strip_count() - 1.
 * @return ESR_OK, ESR_NULL, ESR_WIDTH, ESR_HEIGHT or ESR_STATE.
 */
esr_status esr_run_strip(esr_engine *engine, const esr_frame *frame, uint32_t index);

/* --- Choice of kernels */

/** Sets of kernels; all give the same bits. Only builds for x86-64 have more than one. */
typedef enum esr_kernel_set {
    ESR_KERNELS_PORTABLE = 0, /**< Plain C, or the kernels of the microcontroller compiled for. */
    ESR_KERNELS_AVX2 = 1,     /**< x86-64 with AVX2. */
    ESR_KERNELS_AVX512 = 2    /**< x86-64 with AVX-512 VNNI and VBMI: Ice Lake, Zen 4 and later. */
} esr_kernel_set;

/**
 * Limit the kernels of an engine. esr_open() selects the best set that the machine can run.
 *
 * @param engine The engine; not null.
 * @param most The best set to use from now on.
 * @return The set that is used.
 */
esr_kernel_set esr_limit_kernels(esr_engine *engine, esr_kernel_set most);

#ifdef __cplusplus
}
#endif

#endif
