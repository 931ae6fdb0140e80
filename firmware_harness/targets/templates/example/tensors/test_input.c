#include "test_input.h"

const int8_t test_input[TEST_INPUT_BYTES] = {
@INPUT_VALUES@
};
