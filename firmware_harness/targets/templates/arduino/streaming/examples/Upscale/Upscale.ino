// Upscales a built-in frame. The LED blinks slowly if every byte matches the host's, else fast.
#include <@IDENT@.h>

#include "test_frame.h"
#include "upscale.h"

static unsigned long half_period = 100;

void setup() {
  uint32_t checksum = 0;
  pinMode(LED_BUILTIN, OUTPUT);
  Serial.begin(115200);
  int status = upscale_test_frame(&checksum);
  bool right = status == 0 && checksum == TEST_FRAME_CHECKSUM;
  if (right) {
    half_period = 1000;
  }
  Serial.print("status ");
  Serial.print(status);
  Serial.print(", checksum ");
  Serial.print(checksum, HEX);
  Serial.println(right ? ": matches the host" : ": WRONG");
}

void loop() {
  digitalWrite(LED_BUILTIN, HIGH);
  delay(half_period);
  digitalWrite(LED_BUILTIN, LOW);
  delay(half_period);
}
