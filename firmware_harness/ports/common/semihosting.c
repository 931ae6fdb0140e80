/* Semihosting: the emulator or debugger executes the request of a trap. */
#include "arch.h"
#include "port.h"

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT_EXTENDED = 0x20
};

enum { OPEN_READ_BINARY = 1, OPEN_WRITE_BINARY = 5 };

#define APPLICATION_EXIT UINT32_C(0x20026)

static uint32_t address(const void *pointer)
{
    return (uint32_t)(uintptr_t)pointer;
}

int32_t port_open(const char *name, port_mode mode)
{
    uint32_t block[3] = {address(name), mode == PORT_READ ? OPEN_READ_BINARY : OPEN_WRITE_BINARY, 0};
    while (name[block[2]] != 0) {
        block[2]++;
    }
    return arch_trap(SYS_OPEN, block);
}

/* Both SYS_READ and SYS_WRITE return the number of bytes that were not transferred. */
static int transfer(uint32_t operation, int32_t file, const void *bytes, size_t count)
{
    uint32_t block[3] = {(uint32_t)file, address(bytes), (uint32_t)count};
    return arch_trap(operation, block) == 0 ? 0 : -1;
}

int port_read(int32_t file, void *bytes, size_t count)
{
    return transfer(SYS_READ, file, bytes, count);
}

int port_write(int32_t file, const void *bytes, size_t count)
{
    return transfer(SYS_WRITE, file, bytes, count);
}

void port_close(int32_t file)
{
    uint32_t block[1] = {(uint32_t)file};
    (void)arch_trap(SYS_CLOSE, block);
}

void port_exit(int code)
{
    uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)code};
    for (;;) {
        (void)arch_trap(SYS_EXIT_EXTENDED, block);
    }
}
