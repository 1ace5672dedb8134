"""Watchdog, sleep, ADC and supply monitor of the simulated ATtiny10 (datasheet 8127, sections 7, 8, 13)."""

from __future__ import annotations

from tinybench import FULL_SPEED, MS, PERIOD, US, handlers


def test_watchdog_resets_after_16_ms(start):
    bench = start("ldi r16,0x08 / out WDTCSR,r16 / 1: rjmp 1b").run(15 * MS)
    assert bench.get("resets") == 0
    bench.run(2 * MS)
    assert bench.get("resets") == 1
    assert bench.io(0x3B) == 0x09  # PORF, WDRF
    bench.run(63 * MS)
    assert bench.get("cycle") > 15_000


def test_wdr_holds_the_watchdog_off(start):
    bench = start("ldi r16,0x08 / out WDTCSR,r16 / 1: wdr / rjmp 1b").run(100 * MS)
    assert bench.get("resets") == 0


def test_enabled_watchdog_cannot_be_stopped_without_the_signature(start):
    bench = start("ldi r16,8 / out WDTCSR,r16 / clr r17 / out WDTCSR,r17 / in r20,WDTCSR / 1: rjmp 1b").run(20 * MS)
    assert (bench.get("r20"), bench.get("resets")) == (8, 1)


def test_watchdog_stops_with_the_signature(start):
    program = "ldi r16,8 / out WDTCSR,r16 / clr r17 / ldi r18,0xd8 / out CCP,r18 / "
    program += "out WDTCSR,r17 / in r20,WDTCSR / 1: rjmp 1b"
    bench = start(program).run(20 * MS)
    assert (bench.get("r20"), bench.get("resets")) == (0, 0)


def test_wdton_keeps_it_on(start):
    bench = start("1: rjmp 1b", config=0xFD).run(17 * MS)
    assert bench.get("resets") == 1


def test_watchdog_interrupt_wakes_from_power_down(start):
    setup = "clr r20 / ldi r16,0x40 / out WDTCSR,r16 / ldi r16,5 / out SMCR,r16 / sei / 1: sleep / inc r21 / rjmp 1b"
    bench = start(handlers(v8="inc r20 / ") + "clr r21 / " + setup).run(15 * MS)
    assert bench.get("asleep") == 1
    bench.run(100 * MS)
    assert (bench.get("r20"), bench.get("r21"), bench.get("r31")) == (7, 7, 0)


def test_interrupt_then_reset(start):
    """WDIE and WDE: the first time-out interrupts and clears WDIE, the second resets."""
    bench = start(handlers(v8="inc r20 / ") + "clr r20 / ldi r16,0x48 / out WDTCSR,r16 / sei / 1: rjmp 1b").run(20 * MS)
    assert (bench.get("r20"), bench.get("resets")) == (1, 0)
    bench.run(16 * MS)
    assert bench.get("resets") == 1


def test_the_timer_stops_in_power_down_and_runs_in_idle(start):
    for mode, counts in ((0x05, False), (0x01, True)):
        program = f"ldi r16,1 / out TCCR0B,r16 / ldi r16,{mode} / out SMCR,r16 / sleep / 1: rjmp 1b"
        bench = start(program).run(MS)
        before = bench.io(0x28) | bench.io(0x29) << 8
        bench.run(MS)
        assert ((bench.io(0x28) | bench.io(0x29) << 8) != before) == counts
        bench.ask("reset", 0)


def test_sleep_without_enable_does_nothing(start):
    assert start("sleep / inc r20 / 1: rjmp 1b").run(10 * US).get("asleep") == 0


def test_pin_change_wakes_from_power_down(start):
    setup = "ldi r16,1 / out PCMSK,r16 / out PCICR,r16 / ldi r16,5 / out SMCR,r16 / clr r20 / sei / 1: sleep / rjmp 1b"
    bench = start(handlers(v2="inc r20 / ") + FULL_SPEED + setup).run(30 * US)
    assert bench.get("asleep") == 1
    bench.ask("lane", 0)
    bench.run(10 * US)
    assert (bench.get("r20"), bench.get("asleep")) == (1, 1)


def test_adc_converts_what_is_set(start):
    program = "ldi r16,2 / out ADMUX,r16 / ldi r16,0xc3 / out ADCSRA,r16 / 1: in r17,ADCSRA / sbrc r17,6 / rjmp 1b / "
    program += "in r18,ADCL / 2: rjmp 2b"
    bench = start(FULL_SPEED + program, mv2=2500).run(4 * US + 100 * PERIOD)
    assert bench.get("r17") & 0x40  # 25 ADC clocks of 8 cycles
    bench.run(30 * US)
    assert (bench.get("r17"), bench.get("r18")) == (0x93, 128)


def test_supply_monitor(start):
    bench = start("ldi r16,5 / out VLMCSR,r16 / in r17,VLMCSR / 1: rjmp 1b", vcc=3300).run(10 * US)
    assert bench.get("r17") == 0x85
