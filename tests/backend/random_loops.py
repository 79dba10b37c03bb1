"""Random programs of counted loops that calculate: made to find checks that are lost, late, or of the wrong place.

Every program is a deterministic function of its seed: one loop or two over two arrays of numbers, with sums, conditions, stores,
appends, `continue` and sometimes `break`. Most loops are sticky; numbers are small, but for a few that make something overflow.
"""

import random

INTS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")
FEW, MANY = 40, 600


def limits(t: str) -> tuple[int, int]:
    """The least and the greatest number of a type."""
    n = int(t[1:])
    return (0, 2**n - 1) if t[0] == "u" else (-(2 ** (n - 1)), 2 ** (n - 1) - 1)


def program(seed: int) -> tuple[str, str]:
    """The text of the program with this seed, and the type of its numbers."""
    return Writer(seed).text()


def arguments(seed: int, t: str) -> list[list[list[int]]]:
    """Arrays for a few instances: all small, and with one or a few numbers anywhere that are not."""
    chance = random.Random(seed)
    low, high = limits(t)
    found = []
    for large in (0, 0, 1, 1, 2, 5):
        count = chance.choice((FEW, MANY, chance.randrange(MANY)))
        # Not so small that sums of narrow types stay in range: these overflow now and then by themselves.
        reach = min(high, chance.choice((1, 3, 1000)))
        arrays = [[chance.randint(max(low, -reach), reach) for _ in range(count)] for _ in range(2)]
        for _ in range(large if count else 0):
            value = chance.choice((low, high, low + 1, high // 2, high // 2 + 1, high // 3, chance.randint(low, high)))
            arrays[chance.randrange(2)][chance.choice((0, count - 1, chance.randrange(count)))] = value
        found.append(arrays)
    return found


class Writer:
    """Writes one program."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.t = self.chance.choice((*INTS, "i32", "i64", "i64"))
        self.names = ["x", "z"]
        self.appends = False
        self.lines: list[str] = []

    def text(self) -> tuple[str, str]:
        self.helper = f"fn mix(a: {self.t}, b: {self.t}) -> {self.t} = {self.expression(2, ('a', 'b'))};"
        loops = [self.loop() for _ in range(self.chance.choice((1, 1, 2)))]
        result = f"(s: {self.t}, m: {self.t}, k: i64, ys: array[{self.t}], out: array[{self.t}])"
        t = self.t
        return (
            f"{self.helper}\nfunction f(xs: array[{t}], zs: array[{t}]) => {result} {{\n"
            f'note f"{{xs.len()}} numbers";\n'
            f"var sum: {t} = 0; var most: {t} = 0; var count = 0; var vs = zs; var list: array[{t}] = [];\n"
            + "\n".join(f"if true {{\n{one}\n}}" for one in loops)
            + '\nnote "calculated";\nemit s <- sum; emit m <- most; emit k <- count; emit ys <- vs; emit out <- list;\n}\n',
            t,
        )

    def loop(self) -> str:
        chance = self.chance
        self.names, self.appends = ["x", "z"], chance.random() < 0.4
        head = chance.choice(
            (
                "for i, x in xs { let z = zs[i];",
                "for i in 0..xs.len() { let x = xs[i]; let z = zs[i];",
                "for i in 1..xs.len() - 1 { let x = xs[i - 1]; let z = xs[i + 1];",
                "let w = xs.len() / 2; for i in 0..w { let x = xs[w + i]; let z = zs[i];",
                "for i in 0..vs.len() { let x = vs[i]; let z = xs[i];",
            )
        )
        lines = [self.statement() for _ in range(chance.randrange(1, 5))]
        if self.appends:
            lines.insert(chance.randrange(len(lines) + 1), f"list.append({self.expression(2, ('x', 'z'))});")
        return "\n    ".join([head, *lines]) + "\n}"

    def statement(self) -> str:
        chance = self.chance
        value = self.expression(2, tuple(self.names))
        kind = chance.randrange(12)
        if kind < 3:
            return f"sum {chance.choice(('+=', '+=', '-='))} {value};"
        if kind == 3:
            name = f"v{len(self.names)}"
            self.names.append(name)
            return f"let {name} = {value};"
        if kind == 4:
            return f"if {self.condition()} {{ sum += {value}; }} else {{ count += 1; }}"
        if kind == 5:
            return f"if {value} > most {{ most = {value}; }}"
        if kind == 6:
            return f"vs[i] = {value};"
        if kind == 7:
            return f"vs[i] {chance.choice(('+=', '-=', '*='))} {value};"
        if kind == 8:
            return f"sum += mix({value}, x);"
        if kind == 9 and not self.appends:
            return f"if {self.condition()} {{ continue; }}"
        if kind == 10 and chance.random() < 0.3:
            return f"if {self.condition()} {{ break; }}"
        return f"most = max(most, {value});"

    def condition(self) -> str:
        return f"{self.expression(1, tuple(self.names))} {self.chance.choice(('<', '==', '>='))} {self.literal()}"

    def literal(self) -> str:
        return str(min(self.chance.choice((0, 1, 2, 3, 7, 100, 1000)), limits(self.t)[1]))

    def expression(self, depth: int, names: tuple[str, ...]) -> str:
        chance = self.chance
        if depth == 0 or chance.random() < 0.2:
            return self.literal() if chance.random() < 0.2 else chance.choice(names)
        left, right = (self.expression(depth - 1, names) for _ in "lr")
        kind = chance.randrange(12)
        if kind < 6:
            return f"({left} {chance.choice('++-*')} {right})"
        if kind == 6:
            return f"({left} * {self.literal()})"
        if kind == 7:
            return f"({left} {chance.choice(('<< 2', '>> 1', '/ 4', '% 8', '/ 5'))})"
        if kind == 8:
            return f"({left} {chance.choice(('&', '|', '^', '+%', '*%'))} {right})"
        if kind == 9:
            return f"{self.t}({chance.choice(INTS)}({left}))"
        if kind == 10:
            return f"(if {left} < {right} {{ {left} }} else {{ {right} }})"
        return f"(-{left})" if self.t[0] == "i" else f"max({left}, {right})"
