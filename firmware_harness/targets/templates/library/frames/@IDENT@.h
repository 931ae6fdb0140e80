/*
 * @NAME@ for edge-sr's engine; see esr.h for the calls.
 *
 * esr_open takes @IDENT@_plan, whose size is @UPPER@_PLAN_BYTES, the width
 * @UPPER@_PLAN_IN_WIDTH, and an arena of @UPPER@_PLAN_ARENA_BYTES bytes.
 * esr_begin takes the height @UPPER@_PLAN_IN_HEIGHT. Rows are NHWC.
 * Input: @TYPE_IN@, @IN_ROWS@.
 * An input value q means @VALUE_IN@.
 * Output: @TYPE_OUT@, @OUT_ROWS@.
 * An output value q means @VALUE_OUT@.
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
