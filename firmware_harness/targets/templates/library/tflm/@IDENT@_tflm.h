/*
 * @NAME@ for TensorFlow Lite Micro: its operators and its tensor arena, at @WIDTH@x@HEIGHT@.
 *
 * TFLM itself reports @TFLM_BYTES@ bytes of arena (reference kernels, @ABI@). The margin of
 * @MARGIN_BYTES@ bytes on top is for kernels that want scratch memory, such as CMSIS-NN's and ESP-NN's.
 * MicroInterpreter::arena_used_bytes() says what your build takes.
 */
#ifndef @UPPER@_TFLM_H
#define @UPPER@_TFLM_H

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

#define @UPPER@_ARENA_BYTES (@TFLM_BYTES@u + @MARGIN_BYTES@u)

typedef tflite::MicroMutableOpResolver<@OPERATOR_COUNT@> @IDENT@_resolver;

/* The network's operators and no other, so that the linker leaves all other kernels out. */
inline TfLiteStatus @IDENT@_add_operators(@IDENT@_resolver &resolver) {
@ADD_OPERATORS@
  return kTfLiteOk;
}

#endif
