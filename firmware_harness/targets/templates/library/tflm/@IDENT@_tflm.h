/*
 * @NAME@ for TensorFlow Lite Micro: its operators and its tensor arena, for @INPUT_SIZE@.
 *
 * TFLM reports an arena of @TFLM_BYTES@ bytes (reference kernels, @ABI@). The margin of
 * @MARGIN_BYTES@ bytes is for the scratch memory of optimized kernels, such as CMSIS-NN's and ESP-NN's.
 * MicroInterpreter::arena_used_bytes() returns what your build needs.
 */
#ifndef @UPPER@_TFLM_H
#define @UPPER@_TFLM_H

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

#define @UPPER@_ARENA_BYTES (@TFLM_BYTES@u + @MARGIN_BYTES@u)

typedef tflite::MicroMutableOpResolver<@OPERATOR_COUNT@> @IDENT@_resolver;

/* Adds only the network's operators, so that the linker drops all other kernels. */
inline TfLiteStatus @IDENT@_add_operators(@IDENT@_resolver &resolver) {
@ADD_OPERATORS@
  return kTfLiteOk;
}

#endif
