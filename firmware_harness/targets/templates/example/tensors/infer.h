#ifndef INFER_H
#define INFER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Run the network on the built-in test input and compute the CRC-32 of the output, which must equal
 * TEST_INPUT_CHECKSUM. Return 0 on success.
 */
int infer_test_input(uint32_t *checksum);

#ifdef __cplusplus
}
#endif

#endif
