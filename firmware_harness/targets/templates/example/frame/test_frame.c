#include "test_frame.h"

const int8_t test_frame[TEST_FRAME_BYTES] = {
@FRAME_VALUES@
};
