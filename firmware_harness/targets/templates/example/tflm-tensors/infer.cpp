#include "infer.h"

#include <string.h>

#include "@IDENT@.h"
#include "@IDENT@_tflm.h"
#include "checksum.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"
#include "test_input.h"

namespace {

alignas(16) uint8_t arena[@UPPER@_ARENA_BYTES];

}  // namespace

int infer_test_input(uint32_t *checksum) {
  @IDENT@_resolver resolver;
  if (@IDENT@_add_operators(resolver) != kTfLiteOk) {
    return 1;
  }
  tflite::MicroInterpreter interpreter(tflite::GetModel(@IDENT@_tflite), resolver, arena,
                                       sizeof arena);
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    return 2;
  }
  size_t used = 0;
  for (size_t i = 0; i < interpreter.inputs_size(); i++) {
    TfLiteTensor *input = interpreter.input(i);
    if (input->bytes > sizeof test_input - used) {
      return 3;
    }
    memcpy(input->data.int8, test_input + used, input->bytes);
    used += input->bytes;
  }
  if (used != sizeof test_input) {
    return 3;
  }
  if (interpreter.Invoke() != kTfLiteOk) {
    return 4;
  }
  *checksum = 0;
  for (size_t i = 0; i < interpreter.outputs_size(); i++) {
    const TfLiteTensor *output = interpreter.output(i);
    *checksum = checksum_add(*checksum, output->data.int8, output->bytes);
  }
  return 0;
}
