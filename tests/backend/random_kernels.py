"""Random kernels that verify: made to find values that see each other's changes, and memory given back too early.

Every program is a deterministic function of its seed. It juggles texts, arrays, records and options between locals, places,
loops and calls, in all three modes, and gives what it holds as items on the way and at the end. Indices are guarded, so that few
programs trap and most of what they do is seen.
"""

import random

STR, INTS, TEXTS, ROWS, RECORD, RECORDS, MAYBE = (
    "str", "array[i64]", "array[str]", "array[array[i64]]", "m.R", "array[m.R]", "option[array[str]]",
)  # fmt: skip
TYPES = (STR, INTS, TEXTS, ROWS, RECORD, RECORDS, MAYBE)
ELEMENT = {INTS: "i64", TEXTS: STR, ROWS: INTS, RECORDS: RECORD}
FIELDS = (("i64", 0), (STR, 1), (TEXTS, 2))
HEAD = """kernel "random"
param one "n": i64
param one "given": str
param set "rows": array[str]
"""


def program(seed: int) -> str:
    """The text of the kernel with this seed."""
    chance = random.Random(seed)
    lines = [HEAD.rstrip()]
    lines += [f'output set "o{i}": {t}' for i, t in enumerate((*TYPES, "i64"))]
    lines.append('record "m.R" {"n": i64, "s": str, "xs": array[str]}')
    helpers: list[Writer] = []
    for number in range(chance.randrange(4)):
        params = [(chance.choice(TYPES), chance.random() < 0.5) for _ in range(chance.randrange(1, 3))]
        helpers.append(Writer(chance, f"h{number}", params, chance.choice([*TYPES, "unit"]), helpers[:]))
        helpers[-1].write(chance.randrange(2, 8))
    main = Writer(chance, "random", [("i64", False), (STR, False), ("set[array[str]]", False)], "unit", helpers)
    main.write(chance.randrange(10, 30))
    return "\n".join([*lines, main.text(), *(h.text() for h in helpers)]) + "\n"


class Writer:
    """Writes one function; `live` are locals that have values, by number."""

    def __init__(
        self, chance: random.Random, name: str, params: list[tuple[str, bool]], result: str, helpers: "list[Writer]"
    ) -> None:
        self.chance = chance
        self.name, self.params, self.result, self.helpers = name, params, result, helpers
        self.types = [t for t, _ in params]
        self.mutable = [inout for _, inout in params]
        self.level = [0] * len(params)
        self.owned = [inout for _, inout in params]
        self.live = set(range(len(params)))
        self.lines: list[str] = []
        self.depth = 0
        self.in_loop = 0

    def text(self) -> str:
        def declared(i: int) -> str:
            return f'%{i} "v{i}": {self.types[i]}'

        params = ", ".join(("inout " if inout else "") + declared(i) for i, (_, inout) in enumerate(self.params))
        head = f'fn "{self.name}"({params}) -> {self.result} {{'
        rest = range(len(self.params), len(self.types))
        return "\n".join(
            [head, *(f"{'var' if self.mutable[i] else 'let'} {declared(i)}" for i in rest), *self.lines, "}"]
        )

    def write(self, count: int) -> None:
        for t in TYPES if self.name == "random" else ():
            self.variable(t, self.made(t, 3))
        for _ in range(count):
            self.statement()
        for number in sorted(self.live):
            self.emit(number)
        if self.result != "unit":
            self.lines.append(f"return %{self.fresh(self.result, 2)}")

    # locals

    def new(self, t: str, *, mutable: bool = False, owned: bool = True) -> int:
        self.types.append(t)
        self.mutable.append(mutable)
        self.level.append(self.in_loop)
        self.owned.append(owned)
        return len(self.types) - 1

    def target(self, t: str) -> int:
        """A local to define: a new one, or one that has been there, even outside of the loops here."""
        old = [
            i for i in range(len(self.params), len(self.types))
            if self.types[i] == t and not self.mutable[i] and self.owned[i]
        ]  # fmt: skip
        return self.chance.choice(old) if old and self.chance.random() < 0.4 else self.new(t)

    def define(self, t: str, text: str) -> int:
        dst = self.target(t)
        self.lines.append(f"%{dst} = {text}")
        self.level[dst] = min(self.level[dst], self.in_loop)
        self.live.add(dst)
        return dst

    def scalar(self, text: str, t: str = "i64") -> int:
        dst = self.new(t)
        self.lines.append(f"%{dst} = {text}")
        return dst

    def pick(self, t: str, *, mutable: bool = False) -> int | None:
        found = [i for i in sorted(self.live) if self.types[i] == t and (self.mutable[i] or not mutable)]
        return self.chance.choice(found) if found else None

    # places

    def place(self, t: str, *, mutable: bool = False) -> str | None:
        """A place of type `t`, guarded by an `if` that stays open (see `close`)."""
        direct = self.pick(t, mutable=mutable)
        inner = [
            f for f in (self.through_array, self.through_record, self.through_option) if self.chance.random() < 0.5
        ]
        self.chance.shuffle(inner)
        for way in inner:
            found = way(t, mutable)
            if found is not None:
                return found
        return None if direct is None else f"%{direct}"

    def through_array(self, t: str, mutable: bool) -> str | None:
        outer = next((o for o, e in ELEMENT.items() if e == t), None)
        if outer is None:
            return None
        root = self.pick(outer, mutable=mutable)
        if root is None:
            return None
        index = self.chance.randrange(3)
        borrowed = self.new(outer, owned=False)
        self.lines.append(f"%{borrowed} = borrow %{root}")
        length = self.scalar(f"len(%{borrowed})")
        self.open_if(f"gt(%{length}, {index}:i64)")
        return f"%{root}[{index}:i64]"

    def through_record(self, t: str, mutable: bool) -> str | None:
        number = next((n for f, n in FIELDS if f == t), None)
        root = self.pick(RECORD, mutable=mutable)
        return None if number is None or root is None else f"%{root}.{number}"

    def through_option(self, t: str, mutable: bool) -> str | None:
        root = self.pick(MAYBE, mutable=mutable) if t == TEXTS else None
        if root is None:
            return None
        borrowed = self.new(MAYBE, owned=False)
        self.lines.append(f"%{borrowed} = borrow %{root}")
        self.open_if(f"eq(%{self.scalar(f'tag(%{borrowed})')}, 1:i64)")
        return f"%{root}!1.0"

    def open_if(self, cond: str) -> None:
        self.lines.append(f"if %{self.scalar(cond, 'bool')} {{")
        self.depth += 1

    def open_small(self, place: str, t: str) -> None:
        """What follows is done only while the value is small: programs may double values in nested loops."""
        borrowed = self.new(t, owned=False)
        self.lines.append(f"%{borrowed} = borrow {place}")
        self.open_if(f"lt(%{self.scalar(f'len(%{borrowed})')}, {100 if t == STR else 8}:i64)")

    def close(self, depth: int, live: set[int]) -> None:
        """Closes the guards that were opened since; what was only defined inside is not live after."""
        if self.depth > depth:
            self.live &= live
        while self.depth > depth:
            self.lines.append("}")
            self.depth -= 1

    # values

    def fresh(self, t: str, size: int) -> int:
        """An owned local of type `t` that is consumed at once; it is not live."""
        ways = [self.made] if size <= 0 else [self.made, self.shared, self.shared, self.taken, self.sliced]
        for way in self.chance.sample(ways, len(ways)):
            found = way(t, size - 1)
            if found is not None:
                self.live.discard(found)
                return found
        found = self.made(t, 0)
        self.live.discard(found)
        return found

    def made(self, t: str, size: int) -> int:
        if t == STR:
            text = "".join(self.chance.choice("abcé") for _ in range(self.chance.choice([0, 1, 5, 40])))
            return self.private(t, f'"{text}":str')
        if t == RECORD:
            parts = f"{self.chance.randrange(9)}:i64, %{self.fresh(STR, size)}"
            return self.private(t, f"make({parts}, %{self.fresh(TEXTS, size)})")
        if t == MAYBE:
            if self.chance.random() < 0.3:
                return self.private(t, "variant 0()")
            return self.private(t, f"variant 1(%{self.fresh(TEXTS, size)})")
        count = self.chance.choice([0, 1, 2, 2])
        if t == INTS:
            return self.private(t, f"array({', '.join(f'{self.chance.randrange(99)}:i64' for _ in range(count))})")
        return self.private(t, f"array({', '.join(f'%{self.fresh(ELEMENT[t], size)}' for _ in range(count))})")

    def private(self, t: str, text: str) -> int:
        """A new local that nothing else will define: it may be consumed."""
        dst = self.new(t)
        self.lines.append(f"%{dst} = {text}")
        self.live.add(dst)
        return dst

    def shared(self, t: str, size: int) -> int | None:
        root = self.pick(t)
        return None if root is None else self.private(t, f"share %{root}")

    def taken(self, t: str, size: int) -> int | None:
        """A live local of this loop level is consumed as it is."""
        found = [
            i for i in sorted(self.live)
            if self.types[i] == t and not self.mutable[i] and self.owned[i] and self.level[i] == self.in_loop
        ]  # fmt: skip
        return self.chance.choice(found) if found else None

    def sliced(self, t: str, size: int) -> int | None:
        root = self.pick(t) if t == STR or t in ELEMENT else None
        return (
            None if root is None else self.private(t, f"slice(%{root}, 0:i64, 0:i64)") if t == STR else self.half(root)
        )

    def half(self, root: int) -> int:
        length = self.scalar(f"len(%{root})")
        middle = self.scalar(f"shr(%{length}, 1:i64)")
        return self.private(self.types[root], f"slice(%{root}, %{middle}, %{length})")

    # statements

    def statement(self) -> None:
        depth, live = self.depth, set(self.live)
        ways = [self.declare, self.assign, self.append, self.append, self.append, self.extend, self.extend, self.store,
                self.store, self.store, self.keep, self.keep, self.pop, self.rebuild, self.loop, self.loop, self.branch,
                self.call, self.call, self.show, self.bound, self.view]  # fmt: skip
        self.chance.choice(ways)()
        self.close(depth, live)

    def declare(self) -> None:
        t = self.chance.choice(TYPES)
        self.variable(t, self.fresh(t, 3))

    def variable(self, t: str, value: int) -> None:
        dst = self.new(t, mutable=True)
        self.lines.append(f"%{dst} = %{value}")
        self.live.discard(value)
        self.live.add(dst)

    def assign(self) -> None:
        t = self.chance.choice(TYPES)
        dst = self.pick(t, mutable=True)
        if dst is None:
            self.define(t, f"%{self.fresh(t, 2)}")
            return
        self.lines.append(f"%{dst} = %{self.fresh(t, 2)}")

    def append(self) -> None:
        t = self.chance.choice(list(ELEMENT))
        if self.pick(t, mutable=True) is None:
            return
        item = f"{self.chance.randrange(99)}:i64" if t == INTS else f"%{self.fresh(ELEMENT[t], 2)}"
        place = self.place(t, mutable=True)
        if place is not None:
            self.open_small(place, t)
            self.lines.append(f"append {place}, {item}")

    def extend(self) -> None:
        t = self.chance.choice([STR, *ELEMENT])
        operand = self.pick(t)
        place = self.place(t, mutable=True)
        if place is not None and operand is not None:
            self.open_small(place, t)
            self.open_small(f"%{operand}", t)
            self.lines.append(f"extend {place}, %{operand}")

    def store(self) -> None:
        t = self.chance.choice(TYPES)
        value = self.fresh(t, 2)
        place = self.place(t, mutable=True)
        if place is not None:
            self.lines.append(f"store {place}, %{value}")

    def keep(self) -> None:
        t = self.chance.choice(TYPES)
        place = self.place(t)
        if place is not None:
            self.define(t, f"share {place}")

    def pop(self) -> None:
        t = self.chance.choice([TEXTS, ROWS, RECORDS])
        root = self.pick(t, mutable=True)
        if root is None:
            return
        length = self.scalar(f"len(%{root})")
        self.open_if(f"gt(%{length}, 0:i64)")
        last = self.scalar(f"sub(%{length}, 1:i64)")
        self.define(ELEMENT[t], f"move %{root}[%{last}]")
        self.lines.append(f"truncate %{root}, %{last}")

    def rebuild(self) -> None:
        """`v = v + x`: moves a var out, extends it, moves it back."""
        t = self.chance.choice([STR, *ELEMENT])
        var, operand = self.pick(t, mutable=True), self.pick(t)
        if var is None or operand is None or var == operand:
            return
        self.open_small(f"%{var}", t)
        self.open_small(f"%{operand}", t)
        between = self.new(t, mutable=True)
        self.lines += [f"%{between} = move %{var}", f"extend %{between}, %{operand}", f"%{var} = %{between}"]

    def bound(self) -> None:
        """A borrow that is read at once."""
        t = self.chance.choice(TYPES)
        place = self.place(t)
        if place is not None:
            local = self.new(t, owned=False)
            self.lines.append(f"%{local} = borrow {place}")
            self.emit(local)

    def view(self) -> None:
        """A view of a borrow, kept."""
        t = self.chance.choice([INTS, TEXTS, ROWS])
        place = self.place(t)
        if place is not None:
            local = self.new(t, owned=False)
            self.lines.append(f"%{local} = borrow {place}")
            length = self.scalar(f"len(%{local})")
            middle = self.scalar(f"shr(%{length}, 1:i64)")
            self.define(t, f"slice(%{local}, 0:i64, %{middle})")

    def loop(self) -> None:
        if self.in_loop == 2:
            return
        live = set(self.live)
        index = self.new("i64")
        self.lines.append(f"for %{index} = 0:i64 to {self.chance.choice([1, 3, 9])}:i64 {{")
        self.in_loop += 1
        if self.chance.random() < 0.3:
            value = self.new(TEXTS)
            self.open_if(f"lt(%{index}, %{self.scalar('set_len(%2)')})") if self.name == "random" else None
            if self.name == "random":
                self.lines += [f"%{value} = set_value(%2, %{index})", "} else {", f"%{value} = array()", "}"]
                self.depth -= 1
                self.live.add(value)
        for _ in range(self.chance.randrange(2, 7)):
            self.statement()
        if self.chance.random() < 0.3:
            stop = self.chance.choice(["break", "continue"])
            self.lines += [f"if %{self.scalar(f'eq(%{index}, 1:i64)', 'bool')} {{", stop, "}"]
            self.statement()
        self.in_loop -= 1
        self.lines.append("}")
        self.live &= live

    def branch(self) -> None:
        live = set(self.live)
        text = self.pick(STR)
        if text is None:
            return
        rest = self.scalar(f"bit_and(%{self.scalar(f'len(%{text})')}, 1:i64)")
        self.lines.append(f"if %{self.scalar(f'eq(%{rest}, 1:i64)', 'bool')} {{")
        self.statement()
        after = self.live
        self.live = set(live)
        self.lines.append("} else {")
        self.statement()
        self.lines.append("}")
        self.live &= after

    def call(self) -> None:
        if not self.helpers:
            return
        helper = self.chance.choice(self.helpers)
        args: list[str] = []
        roots: set[int] = set()
        for t, inout in helper.params:
            root = self.pick(t, mutable=inout)
            if root is None or root in roots:
                value = self.fresh(t, 1)
                root = self.new(t, mutable=inout)
                self.lines.append(f"%{root} = %{value}")
                self.live.add(root)
            roots.add(root)
            self.live.discard(root)  # what makes the next argument must not consume this one
            args.append(f"inout %{root}" if inout else f"%{root}")
        self.live |= roots
        text = f'call "{helper.name}"({", ".join(args)})'
        if helper.result == "unit":
            self.lines.append(text)
        else:
            self.define(helper.result, text)

    def show(self) -> None:
        number = self.pick(self.chance.choice(TYPES))
        if number is not None:
            self.emit(number)

    def emit(self, number: int) -> None:
        t = self.types[number]
        if t in TYPES:
            self.lines.append(f"emit {TYPES.index(t)} value=%{number}")
