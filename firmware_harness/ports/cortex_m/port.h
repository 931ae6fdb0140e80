/*
 * What the start-up code gives to an application on a Cortex-M under an emulator or debugger:
 * files of the host through semihosting, an instruction counter, and the stack's high-water mark.
 */
#ifndef PORT_H
#define PORT_H

#include <stddef.h>
#include <stdint.h>

/* The application; what it returns becomes the exit code of the emulator. */
int main(void);

/* The codes that the emulator ends with when the image does not reach the end of main. */
#define PORT_EXIT_FAULT 100 /* a processor exception */

typedef enum port_mode { PORT_READ, PORT_WRITE } port_mode;

/* Open a file in the host's current folder, a handle; negative: it cannot be opened. */
int32_t port_open(const char *name, port_mode mode);

/* 0 if all the bytes were transferred, else -1. */
int port_read(int32_t file, void *bytes, size_t count);
int port_write(int32_t file, const void *bytes, size_t count);
void port_close(int32_t file);

/* Print a text on the host's standard error. */
void port_print(const char *text);

/* End the emulation. */
__attribute__((noreturn)) void port_exit(int code);

/* Start counting SysTick's ticks from 0. */
void port_start_ticks(void);

/* Ticks since then; may be called about every 2^48 ticks or more often. */
uint64_t port_ticks(void);

/* Bytes of stack used at most since reset, exception frames included. */
uint32_t port_stack_used(void);

#endif
