#ifndef @RUN_UPPER@_H
#define @RUN_UPPER@_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * @RUN_FRAME@ and compute the CRC-32 of the output, which must equal
 * TEST_FRAME_CHECKSUM. Return 0 on success.
 */
int @RUN@_test_frame(uint32_t *checksum);

#ifdef __cplusplus
}
#endif

#endif
