/* As much of Arduino's core as the exported sketch uses; it runs setup and one loop. */
#pragma once

#include <stdint.h>
#include <stdio.h>

enum { LOW, HIGH, OUTPUT, HEX };

#ifndef NO_LED
#define LED_BUILTIN 13
#endif

inline void pinMode(int, int) {}
inline void digitalWrite(int pin, int value) { printf("pin %d %d\n", pin, value); }
inline void delay(unsigned long ms) { printf("delay %lu\n", ms); }

struct SerialPort {
  void begin(unsigned long) {}
  void print(const char *text) { printf("%s", text); }
  void print(int value) { printf("%d", value); }
  void print(uint32_t value, int) { printf("%X", (unsigned)value); }
  void println(const char *text) { printf("%s\n", text); }
};

inline SerialPort Serial;
