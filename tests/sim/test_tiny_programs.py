"""Whole programs on the simulated ATtiny10: from avr-gcc with avr-libc, and over the wire."""

from __future__ import annotations

import subprocess

from simbuild import TINY
from tinybench import DEFINES, FULL_SPEED, MS

C_PROGRAM = """
#include <avr/io.h>
#include <stdint.h>

static uint16_t fletcher(const uint8_t *data, uint8_t n)
{
    uint16_t a = 0, b = 0;
    while (n--) {
        a = (a + *data++) % 255;
        b = (b + a) % 255;
    }
    return b << 8 | a;
}

static uint16_t root(uint16_t n)
{
    uint16_t r = 0;
    for (uint16_t bit = 0x4000; bit; bit >>= 2) {
        if (n >= r + bit) {
            n -= r + bit;
            r = (r >> 1) + bit;
        } else
            r >>= 1;
    }
    return r;
}

static const char text[] = "sixteen tinies";
volatile uint16_t results[4];

int main(void)
{
    results[0] = fletcher((const uint8_t *)text, sizeof text - 1);
    results[1] = root(54321);
    results[2] = (int16_t)-12345 / 67;
    uint32_t product = 1;
    for (uint8_t i = 2; i < 13; i++)
        product *= i;
    results[3] = product >> 13;
    for (;;)
        PORTB |= 1;
}
"""


def test_a_program_of_avr_gcc_and_avr_libc(bench, avr_image):
    """Data in mapped flash, libgcc's division and multiplication, .bss and stack set up by avr-libc's start code."""
    bench.boot(avr_image(C_PROGRAM, flags=("-Os",), language="c")).run(60 * MS)
    a = b = 0
    for byte in b"sixteen tinies":
        a = (a + byte) % 255
        b = (b + a) % 255
    expected = [b << 8 | a, 233, (-(12345 // 67)) & 0xFFFF, (479001600 >> 13) & 0xFFFF]
    got = [bench.io(0x40 + 2 * i) | bench.io(0x41 + 2 * i) << 8 for i in range(4)]
    assert got == expected
    assert bench.get("illegal") == 0


def test_wire_harness_answers_a_frame(compile_c, avr_image, tmp_path):
    """tiny_wire.c, which authors of images use: a program that sends one byte frame over the lane when it hears END."""
    program = (
        FULL_SPEED
        + """
    ; wait for nine low-clock bits after a start bit, then answer 0xc0 0x55 0xc0
    wait: rcall edge
          sbrc r17,0
          rjmp wait
          ldi r19,8
    skip: rcall edge
          dec r19
          brne skip
          ldi r18,0xc0
          rcall send
          ldi r18,0x55
          rcall send
          ldi r18,0xc0
          rcall send
    stop: rjmp stop
    edge: sbic PINB,1
          rjmp edge
    rise: in r17,PINB
          sbrs r17,1
          rjmp rise
          ret
    send: ldi r19,10
          clc
    next: rcall edge
          cbi DDRB,0
          brcs 1f
          sbi DDRB,0
    1:    sec
          ror r18
          dec r19
          brne next
          ret
    """
    )
    image = tmp_path / "image.bin"
    image.write_bytes(avr_image(DEFINES + program))
    wire = compile_c("tiny_wire.c", *TINY, sanitize=True)
    result = subprocess.run(
        [wire, image, "plane", "50"], input="raw c0\n", capture_output=True, text=True, check=True, timeout=20
    )
    assert '{"frame": "55"' in result.stdout
