/* Noise for all inputs, one after the other, and the CRC-32 of all outputs, computed on the host. */
#ifndef TEST_INPUT_H
#define TEST_INPUT_H

#include <stdint.h>

#define TEST_INPUT_BYTES @INPUT_BYTES@u
#define TEST_INPUT_CHECKSUM 0x@CHECKSUM@u

#ifdef __cplusplus
extern "C" {
#endif

extern const int8_t test_input[TEST_INPUT_BYTES];

#ifdef __cplusplus
}
#endif

#endif
