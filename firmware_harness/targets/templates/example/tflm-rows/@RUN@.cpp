#include "@RUN@.h"

#include <string.h>

#include "@IDENT@.h"
#include "@IDENT@_tflm.h"
#include "checksum.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"
#include "test_frame.h"

namespace {

alignas(16) uint8_t arena[@UPPER@_ARENA_BYTES];

}  // namespace

int @RUN@_test_frame(uint32_t *checksum) {
  @IDENT@_resolver resolver;
  if (@IDENT@_add_operators(resolver) != kTfLiteOk) {
    return 1;
  }
  tflite::MicroInterpreter interpreter(tflite::GetModel(@IDENT@_tflite), resolver, arena,
                                       sizeof arena);
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    return 2;
  }
  TfLiteTensor *input = interpreter.input(0);
  if (input->bytes != sizeof test_frame) {
    return 3;
  }
  memcpy(input->data.int8, test_frame, sizeof test_frame);
  if (interpreter.Invoke() != kTfLiteOk) {
    return 4;
  }
  const TfLiteTensor *output = interpreter.output(0);
  *checksum = checksum_add(0, output->data.int8, output->bytes);
  return 0;
}
