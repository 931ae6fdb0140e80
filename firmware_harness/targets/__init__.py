"""A network as a library for somebody else's build: CMake, Arduino, PlatformIO, ESP-IDF, Zephyr."""
