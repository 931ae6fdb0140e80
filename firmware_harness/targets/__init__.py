"""Libraries for other build systems: CMake, Arduino, PlatformIO, ESP-IDF, Zephyr."""
