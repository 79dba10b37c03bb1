"""Random statements over variables that share buffers, with a model that copies everything.

The generator makes the text of a function and runs the same steps on Python lists as it goes, so that loops and branches
are known to end.
"""

import random
from collections.abc import Callable
from typing import Any

PRELUDE = """
record Pair { a: array[i64], b: array[i64] }
fn grow(inout xs: array[i64], x: i64) { xs.append(x); }
fn same(xs: array[i64]) -> array[i64] = xs;
fn grown(xs: array[i64], x: i64) -> array[i64] { var ys = xs; ys.append(x); return ys; }
fn swap(inout a: array[i64], inout b: array[i64]) { let c = a; a = b; b = c; }
fn shift(inout from: array[i64], inout into: array[array[i64]]) { into.append(from); from.append(into.len()); }
fn rows_of(xs: array[i64], ys: array[i64]) -> array[array[i64]] = [xs, ys, xs];
fn pick(rows: array[array[i64]], i: i64) -> array[i64] = if rows.len() > i { rows[i] } else { [] };
fn wrap(xs: array[i64]) -> option[array[i64]] = if xs.len() > 2 { some(xs) } else { none };
"""
VARIABLES = ("u", "v", "w")
State = dict[str, Any]
Step = Callable[[State], None]


def apart(value: Any) -> Any:
    """A copy in which no list stands at two places."""
    if isinstance(value, dict):
        return {k: apart(v) for k, v in value.items()}
    return type(value)(apart(v) for v in value) if isinstance(value, list | tuple) else value


class Generator:
    """Statements with what they do to a state of `u v w` (arrays), `g` (array of arrays) and `p` (a record)."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.fresh = 0

    def array(self) -> tuple[str, Callable[[State], list[int]]]:
        """An expression of an array."""
        a, b = self.random.choices(VARIABLES, k=2)
        k = self.random.randrange(100)
        return self.random.choice(
            [
                (a, lambda s: s[a]),
                (f"same({a})", lambda s: s[a]),
                (f"grown({a}, {k})", lambda s: [*s[a], k]),
                (f"[{k}]", lambda s: [k]),
                ("p.a", lambda s: s["p"][0]),
                ("p.b", lambda s: s["p"][1]),
                (f"pick(g, {k % 3})", lambda s: s["g"][k % 3] if len(s["g"]) > k % 3 else []),
                (f"{a}[..min({a}.len(), {k % 4})]", lambda s: s[a][: k % 4]),
                (f"({a} + [{k}])", lambda s: [*s[a], k]),
                (f"wrap({a}).or({b})", lambda s: s[a] if len(s[a]) > 2 else s[b]),
                (f"{a}.map(|e| e + {b}.len())", lambda s: [e + len(s[b]) for e in s[a]]),
                (f"(if {a}.len() > {k % 4} {{ {a} }} else {{ p.a }})", lambda s: s[a] if len(s[a]) > k % 4 else s["p"][0]),
                (f"same(if {a}.is_empty() {{ {b} }} else {{ {a} }})", lambda s: s[a] or s[b]),
            ]
        )  # fmt: skip

    def simple(self) -> tuple[str, Step]:
        """A statement without parts."""
        a, b = self.random.sample(VARIABLES, 2)
        k = self.random.randrange(100)
        text, of = self.array()
        return self.random.choice(
            [
                (f"{a} = {text};", lambda s: s.update({a: of(s)})),
                (f"{a}.append({k});", lambda s: s[a].append(k)),
                (f"if {a}.len() > 0 {{ {a}[{a}.len() - 1] = {k}; }}", lambda s: s[a].__setitem__(-1, k) if s[a] else None),
                (f"grow({a}, {b}.len());", lambda s: s[a].append(len(s[b]))),
                (f"swap({a}, {b});", lambda s: s.update({a: s[b], b: s[a]})),
                (f"g.append({text});", lambda s: s["g"].append(of(s))),
                (f"if g.len() > 0 {{ g[0] = {text}; }}", lambda s: s["g"].__setitem__(0, of(s)) if s["g"] else None),
                (f"if g.len() > 1 {{ grow(g[1], {k}); }}", lambda s: s["g"][1].append(k) if len(s["g"]) > 1 else None),
                (f"if g.len() > 0 {{ g[g.len() - 1].append({k}); }}", lambda s: s["g"][-1].append(k) if s["g"] else None),
                (f"g.truncate(min(g.len(), {k % 5}));", lambda s: s.update(g=s["g"][: k % 5])),
                (f"shift({a}, g);", lambda s: (s["g"].append(list(s[a])), s[a].append(len(s["g"])))),
                (f"g = rows_of({a}, {text});", lambda s: s.update(g=[s[a], of(s), s[a]])),
                (f"p.a = {text};", lambda s: s.update(p=(of(s), s["p"][1]))),
                (f"p.b.append({k});", lambda s: s["p"][1].append(k)),
                (f"p = Pair(..p, b: {text});", lambda s: s.update(p=(s["p"][0], of(s)))),
                ("p = Pair(a: p.b, b: p.a);", lambda s: s.update(p=(s["p"][1], s["p"][0]))),
                (f"{a}.truncate(min({a}.len(), 6));", lambda s: s.update({a: s[a][:6]})),
                (f"{a}.extend({b}[..min({b}.len(), 2)]);", lambda s: s.update({a: s[a] + s[b][:2]})),
                (f"{a} += {a}[..min({a}.len(), 2)];", lambda s: s.update({a: s[a] + s[a][:2]})),
                ("g.extend(g[..min(g.len(), 1)]);", lambda s: s.update(g=s["g"] + s["g"][:1])),
            ]
        )  # fmt: skip

    def block(self, depth: int, n: int) -> tuple[str, Step]:
        """Several statements; each sees copies of what the one before left."""
        made = [self.statement(depth) for _ in range(n)]

        def run(state: State) -> None:
            for _, step in made:
                step(state)
                state.update(apart(state))

        return " ".join(text for text, _ in made), run

    def statement(self, depth: int) -> tuple[str, Step]:
        """A statement, perhaps with blocks in it."""
        if depth == 0 or self.random.random() < 0.7:
            return self.simple()
        a = self.random.choice(VARIABLES)
        inner, run = self.block(depth - 1, self.random.randint(1, 4))
        other, run_other = self.block(depth - 1, self.random.randint(1, 3))
        self.fresh += 1
        name = f"x{self.fresh}"
        kind = self.random.randrange(5)
        if kind == 0:
            return f"if {a}.len() % 2 == 0 {{ {inner} }} else {{ {other} }}", lambda s: (
                run if len(s[a]) % 2 == 0 else run_other
            )(s)
        if kind == 1:
            return f"for _ in 0..2 {{ {inner} }}", lambda s: (run(s), run(s))
        if kind == 2:
            return self._each(a, name, inner, run)
        if kind == 3:
            return self._rows(name, a, inner, run)
        return self._match(a, name, inner, run, other, run_other)

    def _each(self, a: str, name: str, inner: str, run: Step) -> tuple[str, Step]:
        def step(s: State) -> None:
            for element in s[a][:3]:
                run(s)
                s["u"] = [*s["u"], element]

        return f"for {name} in {a}[..min({a}.len(), 3)] {{ {inner} u.append({name}); }}", step

    def _rows(self, name: str, a: str, inner: str, run: Step) -> tuple[str, Step]:
        def step(s: State) -> None:
            s["g"] = s["g"][:3]
            for row in apart(s["g"]):
                run(s)
                s[a] = list(row)

        return f"g.truncate(min(g.len(), 3)); for {name} in g {{ {inner} {a} = {name}; }}", step

    def _match(self, a: str, name: str, inner: str, run: Step, other: str, run_other: Step) -> tuple[str, Step]:
        def step(s: State) -> None:
            if len(s[a]) > 2:
                kept = list(s[a])
                run(s)
                s["v"] = [*kept, 5]
            else:
                run_other(s)

        text = f"match wrap({a}) {{ some({name}) => {{ {inner} v = {name}; v.append(5); }} none => {{ {other} }} }}"
        return text, step
