// @RUNS_TITLE@. The LED blinks slowly if every byte matches the host's, else fast.
// On a board without LED_BUILTIN, read the result on the serial port, or define LED_BUILTIN as the
// number of a pin with a LED.
#include <@IDENT@.h>

@EXAMPLE_HEADERS@

static unsigned long half_period = 100;

static void set_led(int level) {
#ifdef LED_BUILTIN
  digitalWrite(LED_BUILTIN, level);
#else
  (void)level;
#endif
}

void setup() {
  uint32_t checksum = 0;
#ifdef LED_BUILTIN
  pinMode(LED_BUILTIN, OUTPUT);
#endif
  Serial.begin(115200);
  int status = @RUN@_test_@INPUT@(&checksum);
  bool right = status == 0 && checksum == TEST_@INPUT_UPPER@_CHECKSUM;
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
  set_led(HIGH);
  delay(half_period);
  set_led(LOW);
  delay(half_period);
}
