/*
 * @NAME@ for edge-sr's streaming engine; see esr.h for the calls.
 *
 * esr_open takes @IDENT@_plan, whose size is @UPPER@_PLAN_BYTES, and an arena of
 * @UPPER@_PLAN_ARENA_BYTES(width) bytes.
 * Rows are NHWC.
 * Input: @TYPE_IN@, @CHANNELS_IN@ channels; a value q means @VALUE_IN@.
 * Output: @TYPE_OUT@, @CHANNELS_OUT@ channels; a value q means @VALUE_OUT@.
 */
#ifndef @UPPER@_H
#define @UPPER@_H

#include "esr.h"

#ifdef __cplusplus
extern "C" {
#endif

#include "@IDENT@_plan.h"

#ifdef __cplusplus
}
#endif

#endif
