/* Runs a libFuzzer target on files, without libFuzzer: replay FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int count, char **paths)
{
    for (int i = 1; i < count; i++) {
        uint8_t *data = malloc(1 << 16);
        FILE *file = fopen(paths[i], "rb");
        size_t size;

        if (data == NULL || file == NULL) {
            fprintf(stderr, "cannot read %s\n", paths[i]);
            return 2;
        }
        size = fread(data, 1, 1 << 16, file);
        (void)LLVMFuzzerTestOneInput(data, size);
        fclose(file), free(data);
    }
    return 0;
}
