"""The stub's protocol, by hand: registers, memory, halts, and debuggers that send nonsense or go away."""

from __future__ import annotations

import pytest
from gdbclient import Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tinybench import DEFINES, FULL_SPEED

from tinymux.errors import TinymuxError
from tinymux.sim.gdb import Stub
from tinymux.sim.rsp import PACKET_SIZE, frame

# 8: loop, 10: inc, 12: sts, 14: rcall, 16: rjmp; 18: f
PROGRAM = FULL_SPEED + "loop: inc r16 / sts 0x50,r16 / rcall f / rjmp loop / f: lds r17,0x50 / ret"
LOOP, STORE, CALL, AGAIN, F, RETURN = 8, 10, 12, 14, 16, 18


@pytest.fixture
def session(avr_image):
    with Session(avr_image(DEFINES + PROGRAM)) as made:
        yield made


@pytest.fixture
def client(session):
    with session.client() as made:
        yield made


def pc(client) -> int:
    return int.from_bytes(bytes.fromhex(client.ask(b"p22").decode()), "little")


def r16(client) -> int:
    return int(client.ask(b"p10"), 16)


def test_it_stands_before_its_first_instruction(client):
    assert client.ask(b"?").startswith(b"T05")
    assert pc(client) == 0
    assert client.ask(b"qAttached") == b"1"
    assert client.ask(b"qSupported:xmlRegisters=i386") == b"PacketSize=800;QStartNoAckMode+"


def test_registers(client):
    everything = client.ask(b"g")
    assert everything[: 2 * 16] == b"xx" * 16  # AVRrc has none below r16
    assert len(everything) == 2 * (32 + 1 + 2 + 4)
    assert client.ask(b"p21") == b"5f00"  # SP
    assert client.ask(b"P11=a5") == b"OK"
    assert client.ask(b"p11") == b"a5"
    assert client.ask(b"P20=82") == b"OK"
    assert client.ask(b"P21=5000") == b"OK"
    assert client.ask(b"P22=08000000") == b"OK"
    assert client.ask(b"?")[:3] == b"T05"
    changed = bytes(range(32)) + b"\x01" + b"\x5a\x00" + b"\x0a\x00\x00\x00"
    assert client.ask(b"G" + changed.hex().encode()) == b"OK"
    assert client.ask(b"g") == b"xx" * 16 + changed[16:].hex().encode()


def test_flash_and_data_memory(client, session):
    flash = session.flash
    assert client.ask(b"m0,10") == flash[:16].hex().encode()
    assert client.ask(b"m3fe,10") == flash[-2:].hex().encode()  # what there is
    assert client.ask(b"M800040,3:010203") == b"OK"
    assert client.ask(b"X800043,2:}\x5d}\x03") == b"OK"  # } and # escaped
    assert client.ask(b"m800040,5") == b"010203" + b"7d23"
    assert client.ask(b"m804000,4") == flash[:4].hex().encode()  # mapped
    assert client.ask(b"m80003d,2") == b"5f00"
    assert client.ask(b"M800001,1:04") == b"OK"  # DDRB and PORTB: the pin is driven, and seen behind the synchroniser
    assert client.ask(b"M800002,1:04") == b"OK"
    client.ask(b"s")
    client.ask(b"s")
    assert int(client.ask(b"m800000,1"), 16) & 4
    assert client.ask(b"M3f0,2:0000") == b"OK"
    assert client.ask(b"m3ee,4") == b"ffff0000"
    assert client.ask(b"X0,0:") == b"OK"


def test_steps_and_breakpoints(client):
    for address in (2, 4, 6, LOOP, STORE, CALL, F):
        assert client.ask(b"s")[:3] == b"T05"
        assert pc(client) == address
    before = r16(client)
    assert client.ask(b"Z0,a,2") == client.ask(b"Z1,a,2") == b"OK"
    for turn in range(1, 4):
        assert b"22:0a000000;" in client.ask(b"c")
        assert r16(client) == (before + turn) & 255
    assert client.ask(b"z0,a,2") == b"OK"
    client.ask(b"c")  # the other one holds
    assert pc(client) == STORE
    assert client.ask(b"z1,a,2") == b"OK"
    client.ask(b"s8")
    assert pc(client) == STORE
    assert client.ask(b"S05")[:3] == b"T05"
    assert pc(client) == CALL
    client.ask(b"Z0,e,2")
    assert client.ask(b"C05;0")[:3] == b"T05"
    assert pc(client) == AGAIN


@pytest.mark.parametrize(("kind", "name", "after"), [(2, b"watch", CALL), (3, b"rwatch", RETURN), (4, b"awatch", CALL)])
def test_watchpoints_halt_behind_the_access(client, kind, name, after):
    assert client.ask(b"Z%d,800050,1" % kind) == b"OK"
    for _ in range(2):
        assert name + b":800050;" in client.ask(b"c")
        assert pc(client) == after
        if kind == 4:
            client.ask(b"c")
            assert pc(client) == RETURN
    assert client.ask(b"z%d,800050,1" % kind) == b"OK"
    client.ask(b"Z0,8,2")
    client.ask(b"c")
    assert pc(client) == LOOP


def test_ctrl_c_stops_a_running_tiny(client, session):
    client.tell(b"c")
    client.raw(b"\x03")
    assert client.take()[:3] == b"T02"
    stands = session.bench.time
    client.ask(b"s")
    assert session.bench.time - stands < 0.01
    client.raw(b"\x03")  # it stands already
    assert client.ask(b"?")[:3] == b"T05"


def test_monitor_tells_cycles_and_time(client):
    def cycles() -> int:
        return int(bytes.fromhex(client.ask(b"qRcmd," + b"cycles".hex().encode()).decode()))

    before = cycles()
    client.ask(b"s")
    assert cycles() == before + 1
    assert float(bytes.fromhex(client.ask(b"qRcmd," + b"time".hex().encode()).decode())) < 0
    assert b"cycles" in bytes.fromhex(client.ask(b"qRcmd," + b"?".hex().encode()).decode())
    assert client.ask(b"qRcmd,zz") == b"E01"


def test_detach_lets_it_run_without_halts(client, session):
    client.ask(b"Z0,8,2")
    assert client.ask(b"D") == b"OK"
    assert client.gone()
    with session.client() as other:  # it runs: this one halts it
        other.raw(b"+")
        assert other.ask(b"?")[:3] == b"T05"
        assert session.bench.time > -0.01


@pytest.mark.parametrize("how", [b"k", b"vKill;1"])
def test_kill_ends_the_run(client, session, how):
    client.tell(how)
    assert session.ended()
    assert session.killed


def test_the_end_of_the_run_is_told(avr_image):
    with Session(avr_image(DEFINES + PROGRAM), seconds=0.02) as session, session.client() as client:
        assert client.ask(b"c") == b"W00"
        assert client.gone()
        assert session.ended()


def test_what_is_damaged_is_refused_and_asked_for_again(client):
    client.raw(b"$?#00")
    assert client.sign() == b"-"
    client.raw(b"noise+++" + frame(b"?"))
    assert client.sign() == b"+"
    told = client.take()
    client.raw(b"-")
    assert client.take() == told
    client.raw(b"$" + b"m" * (3 * PACKET_SIZE))
    assert client.sign() == b"-"
    client.raw(b"#00$?")
    client.raw(frame(b"?")[2:])
    assert client.sign() == b"+"
    assert client.take() == told


def test_without_acknowledgments_there_are_none(client):
    assert client.ask(b"QStartNoAckMode") == b"OK"
    client.raw(b"$?#00" + frame(b"p21"))
    assert client.take() == b"5f00"


MEMORY = ["m", "m0", "mx,1", "m400,1", "m7fffff,1", "m810000,1", "M0,1:0", "M0,2:00", "M3ff,2:0000", "M810000,1:00"]
BINARY = ["Mffffffffffffffff,1:00", "X0", "X0,1", "X0,2:a", "m\xff,1"]
REGISTERS = ["p", "p23", "pff", "P0=00", "P10=0000", "P10=0", "G00", "G" + "x" * 78, "g0"]
HALTS = ["Z", "Z5,0,2", "Z0,400,2", "Z2,0,1", "Z2,800060,1", "Z2,80005f,2", "Z2,800040,0", "Z2,800040,ffffffff"]
GOING_ON = ["cx", "szz", "C"]


def test_requests_that_make_no_sense(client):
    for wrong in (*MEMORY, *BINARY, *REGISTERS, *HALTS, *GOING_ON):
        assert client.ask(wrong.encode("latin-1")) == b"E01", wrong
        assert pc(client) == 0


def test_what_it_does_not_know_gets_the_empty_answer(client):
    for other in (b"", b"!", b"vCont?", b"vMustReplyEmpty", b"qXfer:features:read::0,ff", b"R00", b"\x80"):
        assert client.ask(other) == b"", other


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(max_size=40) | st.from_regex(rb"\A[gGpPmMXZzqQvH][0-9a-f,:;=]{0,12}\Z"), max_size=8),
    st.booleans(),
)
def test_nonsense_never_ends_it(session, packets, framed):
    """Whatever comes in one connection, the next one is served."""
    with session.client() as client:
        for data in packets:
            if data[:1] not in (b"k", b"D", b"c", b"C", b"s", b"S") and not data.startswith(b"vKill"):
                client.raw(frame(data) if framed else data.replace(b"$", b""))
    with session.client() as client:
        assert client.ask(b"?")[:3] == b"T05"


def test_a_connection_that_breaks_while_it_stands_leaves_it_there(session):
    with session.client() as client:
        client.ask(b"s")
        client.ask(b"Z0,8,2")
        client.raw(b"$m80")
    with session.client() as client:
        assert pc(client) == 2
        assert client.ask(b"s")[:3] == b"T05"
    assert any("stands" in news for news in session.news)


def test_a_connection_that_breaks_while_it_runs_leaves_it_running(session):
    with session.client() as client:
        client.tell(b"c")
    with session.client() as client:
        assert client.ask(b"?")[:3] == b"T05"
    assert any("runs on" in news for news in session.news)


def test_a_second_debugger_is_sent_away(client, session):
    with session.client() as second:
        assert second.gone()
    assert client.ask(b"s")[:3] == b"T05"
    client.tell(b"c")
    with session.client() as second:
        assert second.gone()
    client.raw(b"\x03")
    assert client.take()[:3] == b"T02"


def test_it_listens_on_this_host_only_and_says_when_it_cannot():
    with Stub(0, print) as stub:
        assert stub._listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(TinymuxError, match=f"127.0.0.1:{stub.port}: Address already in use"):
            Stub(stub.port, print)
