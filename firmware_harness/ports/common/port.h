/*
 * What the start-up code gives to an application: a counter, the stack's high-water mark and, under
 * an emulator, files of the host through semihosting.
 */
#ifndef PORT_H
#define PORT_H

#include <stddef.h>
#include <stdint.h>

/* The application; port_exit gets what it returns. */
int main(void);

/* What port_exit gets when the image does not reach the end of main. */
#define PORT_EXIT_FAULT 100 /* a processor exception */

/* End the program: semihosting.c ends the emulation, a program without a host has its own. */
__attribute__((noreturn)) void port_exit(int code);

/* Reset goes on here once there is a stack: fill RAM, call main. */
__attribute__((noreturn)) void port_start(void);

/* Start counting ticks from 0: of the processor's clock on a board, of the emulator's on that. */
void port_start_ticks(void);

/* Ticks since then; may be called about every 2^48 ticks or more often. */
uint64_t port_ticks(void);

/* Bytes of stack used at most since reset, exception frames included. */
uint32_t port_stack_used(void);

/* What follows is in semihosting.c. */

typedef enum port_mode { PORT_READ, PORT_WRITE } port_mode;

/* Open a file in the host's current folder, a handle; negative: it cannot be opened. */
int32_t port_open(const char *name, port_mode mode);

/* 0 if all the bytes were transferred, else -1. */
int port_read(int32_t file, void *bytes, size_t count);
int port_write(int32_t file, const void *bytes, size_t count);
void port_close(int32_t file);

#endif
