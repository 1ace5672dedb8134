# cython: language_level=3
"""What _simulator.pyx and its parts need of ext/sim."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "avr.h" nogil:
    cdef struct avr:
        uint64_t cycle
        uint16_t pc, sp
        uint8_t sreg
        uint8_t r[32]
        uint8_t *ram
        uint16_t *flash
        uint64_t illegal

cdef extern from "attiny10.h" nogil:
    enum: TINY_FLASH, TINY_RAM, TINY_RELEASED, TINY_PULLED_UP, TINY_LOW, TINY_HIGH
    cdef struct tiny_nvm:
        uint8_t config, lock
        uint8_t signature[3]
        uint64_t word_ps, erase_ps
    cdef struct tiny:
        avr avr
        uint16_t vcc_mv
        void *watcher
        tiny_nvm nvm
    int tiny_pin(const tiny *, unsigned pin, uint64_t ps)

cdef extern from "atmega32u4.h" nogil:
    cdef struct mega:
        avr avr
        uint64_t unknown, misuse, resets

cdef extern from "board.h" nogil:
    cdef struct board:
        pass
    cdef struct board_config:
        uint64_t seed
        int32_t rc_error[16]
        double lane_noise, byte_loss
        uint8_t serial[10]
        uint32_t rise_ns, host_latency_us
    board *board_new(const board_config *)
    void board_free(board *)
    int board_load_pump(board *, const uint8_t *image, size_t length)
    int board_load_tiny(board *, unsigned lane, const uint8_t *image, size_t length)
    int board_run(board *, uint64_t until_ps)
    uint64_t board_time(const board *)
    const mega *board_pump(const board *)
    const tiny *board_tiny(const board *, unsigned lane)
    uint16_t board_running(const board *)
    ctypedef void board_trace_fn(void *context, unsigned signal, unsigned level, uint64_t ps) noexcept
    void board_trace(board *, board_trace_fn *, void *context)
    bint board_led(const board *)
    void board_usb_attach(board *)
    void board_usb_detach(board *)
    bint board_usb_attached(const board *)
    void board_usb_reset(board *)
    void board_usb_suspend(board *)
    void board_usb_resume(board *)
    int board_usb_control(board *, const uint8_t *setup, uint8_t *data, unsigned length)
    int board_usb_out(board *, uint8_t endpoint, const uint8_t *packet, unsigned length)
    unsigned board_usb_out_waiting(const board *, uint8_t endpoint)
    void board_usb_in_credit(board *, uint8_t endpoint, unsigned packets)
    int board_usb_in(board *, uint8_t endpoint, uint8_t *packet)

cdef extern from "transport.h" nogil:
    const char *TRANSPORT_CAPSULE

cdef extern from "board_transport.h" nogil:
    cdef struct board_transport:
        uint64_t arrears_ns, submitted, received
    int board_transport_init(board_transport *, board *, bint paced, unsigned depth)
    void board_transport_free(board_transport *)
    int board_transport_connect(board_transport *, bint power_cycle)
    void board_transport_lock(board_transport *)
    void board_transport_unlock(board_transport *)

cdef enum:
    LANES = 16
