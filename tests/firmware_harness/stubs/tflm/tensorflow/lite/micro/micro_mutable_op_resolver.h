/* The declarations of TensorFlow Lite Micro that exported code uses: it is compiled against them,
 * not run; its wheel brings no headers. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum TfLiteStatus { kTfLiteOk, kTfLiteError };

namespace tflite {

class MicroOpResolver {};

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  TfLiteStatus AddAdd();
  TfLiteStatus AddConcatenation();
  TfLiteStatus AddConv2D();
  TfLiteStatus AddDepthToSpace();
  TfLiteStatus AddDepthwiseConv2D();
  TfLiteStatus AddPrelu();
  TfLiteStatus AddRelu();
};

}  // namespace tflite
