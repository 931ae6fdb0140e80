/*
 * The start-up code's functions for an application: a tick counter, the peak stack and, under an
 * emulator, files of the host through semihosting.
 */
#ifndef PORT_H
#define PORT_H

#include <stddef.h>
#include <stdint.h>

/* The application; its return value is passed to port_exit. */
int main(void);

/* The code passed to port_exit when main does not return. */
#define PORT_EXIT_FAULT 100 /* a processor exception */

/* End the program. semihosting.c ends the emulation; a program without a host defines its own. */
__attribute__((noreturn, used)) void port_exit(int code);

/* Continue after reset, once the stack is set up: initialize RAM and call main. */
__attribute__((noreturn, used)) void port_start(void);

/* Start counting ticks from 0: of the processor's clock, under an emulator of the emulated one. */
void port_start_ticks(void);

/* Return the ticks since then; call it at least about every 2^48 ticks. */
uint64_t port_ticks(void);

/* Return the peak stack since reset in bytes, with exception frames. */
uint32_t port_stack_used(void);

/* The following functions are in semihosting.c. */

typedef enum port_mode { PORT_READ, PORT_WRITE } port_mode;

/* Open a file in the host's current folder; return a handle, or a negative number on failure. */
int32_t port_open(const char *name, port_mode mode);

/* Return 0 if all bytes were transferred, else -1. */
int port_read(int32_t file, void *bytes, size_t count);
int port_write(int32_t file, const void *bytes, size_t count);
void port_close(int32_t file);

#endif
