/*
 * @NAME@ for edge-sr's streaming engine; esr.h says how to run it.
 *
 * @IDENT@_plan is what esr_open takes, @UPPER@_PLAN_BYTES its size, and
 * @UPPER@_PLAN_ARENA_BYTES(width) the RAM that frames of that width need.
 * Rows are int8, NHWC, @CHANNELS_IN@ in and @CHANNELS_OUT@ out per pixel:
 * an input value q stands for @VALUE_IN@,
 * an output value q for @VALUE_OUT@; 0 is black, 1 is white.
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
