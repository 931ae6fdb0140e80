#include <stdio.h>

@EXAMPLE_HEADERS@

int main(void)
{
    uint32_t checksum = 0;
    int status = @RUN@_test_@INPUT@(&checksum);
    int right = status == 0 && checksum == TEST_@INPUT_UPPER@_CHECKSUM;
    printf("@DONE@, status %d, checksum %08lx: %s\n", @DONE_VALUES@,
           status, (unsigned long)checksum, right ? "matches the host" : "WRONG");
    return right ? 0 : 1;
}
