#ifndef CLASSIFY_H
#define CLASSIFY_H

#include <stdint.h>

#define CLASSIFY_CLASSES @CLASSES@u

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Classify a frame, int8 NHWC of the size of the test frame, and write the score of each class.
 * Return 0 on success.
 */
int classify(const int8_t *frame, int8_t scores[CLASSIFY_CLASSES]);

/*
 * Classify the built-in test frame and compute the CRC-32 of the scores, which must equal
 * TEST_FRAME_CHECKSUM. Return 0 on success.
 */
int classify_test_frame(uint32_t *checksum);

/* Return the class with the highest score in the test frame, counted from 0. */
unsigned classify_test_class(void);

#ifdef __cplusplus
}
#endif

#endif
