"""How long a program looks away from its lane, counted on every path that its code allows.

A look is an instruction that reads clock or lane (PINB). Calls are followed into a copy of what they call, so that
each comes back to where it was called. The innermost loops that look and do more than wait are the bit loops; the
longest way from look to look within them is what a plane must be longer than. Ways that leave them lead to the next
byte, or from a frame's END to its answer: which, only running tells.

Loops whose counter is a constant are counted turn by turn. Where the number of turns comes from data, where a jump's
address is computed, where interrupts or sleep come in between, counting ends and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tinymux.images.avrrc import VECTORS, WORDS, Instruction, decode, names, words_of

PINB, LANE_AND_CLOCK = 0x00, (0, 1)
ZERO = 1  # bit of SREG
MOST_CALLS = 16  # 32 bytes of RAM hold no more return addresses
MOST_WAYS = 20_000
JUMPS, INTERRUPTS = "it jumps to addresses that it computes", "interrupts come in between"
TOO_MANY = "too many ways through it"
WAITING = names("in sbic sbis sbrc sbrs andi cpi cp cpse bst brbs brbc rjmp nop wdr sleep")
KEEP_FLAGS = names(
    "nop ldi mov in out ld ld+ -ld st st+ -st lds sts push pop sbi cbi sbic sbis sbrc sbrs cpse bst bld swap "
    "rjmp rcall ret brbs brbc wdr"
)

Place = tuple[int, tuple[int, ...]]  # word address; where the calls that are open return to
Known = tuple[tuple[int, int], ...]  # registers whose value is a constant here
Way = tuple[Place, Known, bool | None]  # ... and the flag Z, if that is known


@dataclass(frozen=True)
class Timing:
    """Cycles of the tiny's, at most; None: cannot be counted, `doubts` tell why.

    bit: from an edge of the clock that is seen in a bit loop to the look for the next one, with what it may be seen
    late; 0: there is no bit loop. bit_at: where that begins, in bytes. away: from a look in a bit loop to the next,
    wherever that is. loops: whether there are bit loops.
    """

    bit: int | None
    bit_at: int
    away: int | None
    doubts: tuple[str, ...]
    loops: bool = False

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is true of all that was counted."""
        return tuple(doubt for doubt in self.doubts if doubt in (JUMPS, INTERRUPTS))


class _Uncounted(Exception):
    """Counting ends here; the message completes "cannot be counted: "."""


def is_look(instruction: Instruction) -> bool:
    """Whether it reads the clock or the lane."""
    if instruction.name in ("sbic", "sbis"):
        return instruction.value == PINB and instruction.bit in LANE_AND_CLOCK
    return instruction.name == "in" and instruction.value == PINB


def timing(image: bytes, targets: Iterable[int], blind: bool, interrupts: bool) -> Timing:
    """Count an image. targets: where its indirect jumps go; blind: if that is not known."""
    doubts = [JUMPS] * blind + [INTERRUPTS] * interrupts
    try:
        code = _Code(image, targets, VECTORS if interrupts else ())
    except _Uncounted as doubt:
        return Timing(None, 0, None, (*doubts, str(doubt)))

    def longest(place: Place, within: frozenset[Place] | None) -> int | None:
        if TOO_MANY in doubts:
            return None
        try:
            return code.longest(place, within)
        except _Uncounted as doubt:
            doubts.append(str(doubt))
            return None

    looks = [(place, loop) for loop in code.bit_loops() for place in loop if code.looks(place)]
    bits = [(longest(place, loop), place) for place, loop in looks]
    ways = [longest(place, None) for place, _ in looks]
    known = [(cycles + code.turn(place), place[0]) for cycles, place in bits if cycles is not None]
    bit, at = max(known, default=(0, 0)) if len(known) == len(bits) else (None, 0)
    away = None if None in ways else max(filter(None, ways), default=0)
    if interrupts and not looks and any(map(code.looks, code.places)):
        bit = away = None  # bits are taken by interrupts
    return Timing(bit, 2 * at, away, tuple(dict.fromkeys(doubts)), bool(looks))


class _Code:
    """A program as the places that it can be at, and the ways between them."""

    def __init__(self, image: bytes, targets: Iterable[int], vectors: Iterable[int]) -> None:
        self.code = [decode(word, at) for at, word in enumerate(words_of(image))]
        self.targets = tuple(targets)
        self.places: dict[Place, int] = {}  # -> in which order they were come to
        self.following: dict[Place, list[tuple[Place, int]]] = {}
        self.counters = {found.d for found in self.code if found and found.name in ("dec", "inc", "subi")}
        work: list[Place] = [*((vector, ()) for vector in vectors), (0, ())]
        while work:
            place = work.pop()
            if place in self.places:
                continue
            if len(self.places) == MOST_WAYS or len(place[1]) > MOST_CALLS:
                raise _Uncounted(TOO_MANY)
            self.places[place] = len(self.places)
            work += [after for after, _ in self.after(place)]
        self.counted: dict[Way, int] = {}

    def at(self, place: Place) -> Instruction | None:
        return self.code[place[0]] if place[0] < len(self.code) else None

    def looks(self, place: Place) -> bool:
        """Whether it is a look."""
        instruction = self.at(place)
        return bool(instruction and is_look(instruction))

    def after(self, place: Place) -> list[tuple[Place, int]]:
        """Where it may go on, and after how many cycles."""
        if place not in self.following:
            self.following[place] = self._after(place)
        return self.following[place]

    def _after(self, place: Place) -> list[tuple[Place, int]]:
        (address, calls), instruction = place, self.at(place)
        if instruction is None:
            return []
        flow, target, cycles = instruction.flow, instruction.target, instruction.cycles
        following = (address + 1) % WORDS
        if instruction.sets_stack:
            calls = ()  # whoever sets the stack pointer does not go back
        open_calls = (*calls, following) if flow in ("call", "indirect call") else calls
        if flow in ("indirect", "indirect call"):
            return [((each, open_calls), cycles) for each in self.targets]
        if flow == "return":
            return [((calls[-1], calls[:-1]), cycles)] if calls else []
        ways = [((target, open_calls), cycles + (flow == "branch"))] if flow in ("jump", "branch", "call") else []
        if flow == "skip":
            ways.append((((address + 2) % WORDS, calls), cycles + 1))
        if flow in ("next", "branch", "skip"):
            ways.append(((following, calls), cycles))
        return ways

    # --- loops ---

    def bit_loops(self) -> list[frozenset[Place]]:
        """The innermost loops that look and do more than wait."""
        return list(self._bit_loops(frozenset(self.places), 0))

    def _bit_loops(self, places: frozenset[Place], depth: int) -> Iterator[frozenset[Place]]:
        if depth > MOST_CALLS:
            return
        for loop in _loops(places, lambda place: (after for after, _ in self.after(place))):
            if not any(map(self.looks, loop)):
                continue
            head = min(loop, key=self.places.__getitem__)
            inner = list(self._bit_loops(loop - {head}, depth + 1))
            if inner:
                yield from inner
            elif any((found := self.at(place)) and found.name not in WAITING for place in loop):
                yield loop

    def turn(self, look: Place) -> int:
        """Cycles of a turn of the waiting loop that this look is in: so late may it see an edge. 0 if in none."""
        work = [(after, cycles, {after}) for after, cycles in self.after(look)]
        longest = 0
        while work:
            place, cycles, seen = work.pop()
            instruction = self.at(place)
            if place == look:
                longest = max(longest, cycles)
            elif instruction and instruction.name in WAITING and not is_look(instruction) and len(seen) < MOST_CALLS:
                work += [
                    (after, cycles + more, seen | {after}) for after, more in self.after(place) if after not in seen
                ]
        return longest

    # --- the longest way ---

    def longest(self, look: Place, within: frozenset[Place] | None) -> int:
        """Cycles from this look to the next, on the longest way that does not leave `within`."""
        counted: dict[Way, int] = {} if within else self.counted
        start: Way = (look, (), None)
        stack, path = [start], set[Way]()
        while stack:
            way = stack[-1]
            if way in counted:
                stack.pop()
                continue
            ways = [step for step in self.steps(way) if within is None or step[0][0] in within]
            open_ones = [after for after, _ in ways if not self.looks(after[0]) and after not in counted]
            if way in path:
                counted[way] = max(
                    (cycles + (0 if self.looks(after[0]) else counted[after]) for after, cycles in ways), default=0
                )
                path.discard(way)
                stack.pop()
                continue
            path.add(way)
            for after in open_ones:
                if after in path:
                    raise _Uncounted(f"a loop at 0x{2 * after[0][0]:03x} takes as many turns as data says")
            if len(counted) + len(path) > MOST_WAYS:
                raise _Uncounted(TOO_MANY)
            stack += open_ones
        return counted[start]

    def steps(self, way: Way) -> Iterator[tuple[Way, int]]:
        """The ways that go on from one, where what is known of registers decides."""
        place, known, zero = way
        instruction = self.at(place)
        if instruction is None:
            return
        if instruction.name == "sleep":
            raise _Uncounted("it sleeps")
        after = self.after(place)
        if instruction.flow == "branch" and instruction.value == ZERO and zero is not None:
            after = [after[zero != (instruction.name == "brbs")]]  # taken comes first
        values = dict(known)
        zero = _execute(instruction, values, zero)
        kept = tuple(sorted((register, value) for register, value in values.items() if register in self.counters))
        for following, cycles in after:
            yield (following, kept, zero), cycles


def _execute(instruction: Instruction, values: dict[int, int], zero: bool | None) -> bool | None:
    """What becomes of the registers whose value is known, and of Z."""
    name, d = instruction.name, instruction.d
    before = values.get(d)
    if name in ("dec", "inc", "subi") and before is not None:
        minus = {"dec": 1, "inc": -1}.get(name, instruction.value)
        values[d] = (before - minus) & 0xFF
        return values[d] == 0
    if name == "cpi" and before is not None:
        return before == instruction.value
    if name == "ldi":
        values[d] = instruction.value
    elif name == "eor" and d == instruction.r:  # clr
        values[d] = 0
        return True
    elif name == "mov" and instruction.r in values:
        values[d] = values[instruction.r]
    elif instruction.writes:
        values.pop(d, None)
    return zero if name in KEEP_FLAGS else None


def _loops(places: frozenset[Place], after: Callable[[Place], Iterable[Place]]) -> list[frozenset[Place]]:
    """Places that can be come back to, as the largest groups that lead to each other (Tarjan, without recursion)."""
    found: list[frozenset[Place]] = []
    number: dict[Place, int] = {}
    low: dict[Place, int] = {}
    trail: list[Place] = []
    on_trail: set[Place] = set()
    for root in places:
        if root in number:
            continue
        work = [(root, iter([place for place in after(root) if place in places]))]
        number[root] = low[root] = len(number)
        trail.append(root)
        on_trail.add(root)
        while work:
            place, left = work[-1]
            deeper = next((each for each in left if each not in number or each in on_trail), None)
            if deeper is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[place])
                if low[place] == number[place]:
                    group = set[Place]()
                    while place not in group:
                        group.add(trail.pop())
                    on_trail -= group
                    if len(group) > 1 or place in after(place):
                        found.append(frozenset(group))
            elif deeper in number:
                low[place] = min(low[place], number[deeper])
            else:
                number[deeper] = low[deeper] = len(number)
                trail.append(deeper)
                on_trail.add(deeper)
                work.append((deeper, iter([each for each in after(deeper) if each in places])))
    return found
