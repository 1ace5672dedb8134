"""What an image does, found without running it: the code that can be reached, its worst stack, the RAM it names."""

from __future__ import annotations

from dataclasses import dataclass

from tinymux.images.avrrc import RAM, RAM_END, VECTORS, WORDS, Instruction, decode, words_of
from tinymux.images.timing import Timing, timing

DEEPEST = 64  # bytes: beyond any RAM here, so the stack grows without end
SEI = 0x9478
Z_LOW = 30


@dataclass(frozen=True)
class Analysis:
    """Of an image: word addresses of its reachable code; those of them that are no instruction; the stack's worst depth
    in bytes, None if it grows without end; RAM addresses that it names; whether it jumps where analysis cannot see; and
    how long it looks away from its lane."""

    code: frozenset[int]
    undefined: tuple[int, ...]
    stack: int | None
    ram: frozenset[int]
    blind: bool
    timing: Timing

    @property
    def overlap(self) -> list[int]:
        """RAM addresses that the stack may reach although the program uses them by name."""
        return [] if self.stack is None else [at for at in sorted(self.ram) if at > RAM_END - self.stack]


class _Walk:
    """Follows every path from reset, with the deepest stack that each instruction can be reached with.

    Calls are taken to come back with the stack as it was. An indirect jump goes to each constant that is loaded into
    ZL anywhere, which is how programs of this size make jump tables.
    """

    def __init__(self, image: bytes) -> None:
        self.words = words_of(image)
        self.depths: dict[int, int] = {}
        self.work = [(0, 0)]
        self.undefined: set[int] = set()
        self.ram: set[int] = set()
        self.targets: set[int] = set()
        self.indirect: dict[int, int] = {}  # where from -> depth
        self.interrupts = False
        self.endless = False

    def run(self) -> None:
        while self.work:
            at, depth = self.work.pop()
            if self.depths.get(at, -1) >= depth or self.endless:
                continue
            if depth > DEEPEST:
                self.endless = True
                return
            self.depths[at] = depth
            instruction = decode(self.words[at], at) if at < len(self.words) else None
            if instruction is None:
                self.undefined.add(at)
            else:
                self.step(at, depth, instruction)

    def step(self, at: int, depth: int, instruction: Instruction) -> None:
        after, flow = (at + 1) % WORDS, instruction.flow
        if instruction.name in ("lds", "sts") and RAM <= instruction.value <= RAM_END:
            self.ram.add(instruction.value)
        if instruction.name == "ldi" and instruction.d == Z_LOW and instruction.value not in self.targets:
            self.targets.add(instruction.value)
            self.work += [(instruction.value, known) for known in self.indirect.values()]
        if self.words[at] == SEI and not self.interrupts:
            self.interrupts = True
            self.work += [(vector, depth + 2) for vector in VECTORS]
        if instruction.sets_stack:
            depth = self.stack_set(at, instruction)
        if flow in ("indirect", "indirect call"):
            inside = depth + (2 if flow == "indirect call" else 0)
            if self.indirect.get(at, -1) < inside:
                self.indirect[at] = inside
                self.work += [(target, inside) for target in self.targets]
        elif flow in ("jump", "branch", "call"):
            self.work.append((instruction.target, depth + instruction.push))
        if flow == "skip":
            self.work.append(((at + 2) % WORDS, depth))
        if flow not in ("jump", "indirect", "return"):
            self.work.append((after, depth if flow == "call" else max(0, depth + instruction.push)))

    def stack_set(self, at: int, instruction: Instruction) -> int:
        """The depth after OUT SPL: known where the constant is loaded just before."""
        before = decode(self.words[at - 1], at - 1) if at else None
        known = before and before.name == "ldi" and before.d == instruction.d
        return max(0, RAM_END - before.value) if known and before else 0


def analyse(image: bytes) -> Analysis:
    """Look at all paths from reset, and from the interrupt vectors where interrupts are ever enabled."""
    walk = _Walk(image)
    walk.run()
    stack = None if walk.endless else max(walk.depths.values(), default=0) + 2 * walk.interrupts
    undefined = tuple(sorted(walk.undefined))
    code = frozenset(walk.depths) - walk.undefined
    blind = bool(walk.indirect) and not walk.targets
    times = timing(image, walk.targets if walk.indirect else (), blind, walk.interrupts)
    return Analysis(code, undefined, stack, frozenset(walk.ram), blind, times)
