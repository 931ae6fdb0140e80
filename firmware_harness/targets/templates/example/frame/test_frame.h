/* A test frame, int8 NHWC, and the CRC-32 of the network's output for it, computed on the host. */
#ifndef TEST_FRAME_H
#define TEST_FRAME_H

#include <stdint.h>

#define TEST_FRAME_WIDTH @WIDTH@u
#define TEST_FRAME_HEIGHT @HEIGHT@u
#define TEST_FRAME_CHANNELS @CHANNELS_IN@u
#define TEST_FRAME_BYTES (TEST_FRAME_WIDTH * TEST_FRAME_HEIGHT * TEST_FRAME_CHANNELS)
#define TEST_FRAME_CHECKSUM 0x@CHECKSUM@u

#ifdef __cplusplus
extern "C" {
#endif

extern const int8_t test_frame[TEST_FRAME_BYTES];

#ifdef __cplusplus
}
#endif

#endif
