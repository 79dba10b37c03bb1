"""Names in the patterns of a match that were meant to be variants: as names they would match everything, silently.

A name that the arm reads is honest, however near it is to a variant. So is one that nothing reads, unless it is one slip of
the pen away from a variant that the match names nowhere else; for values without a name there is `_`. A capital letter
says that no value was to be named, for names of values begin with a small one.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from dandc.compiler.check import report
from dandc.compiler.check.body import Body
from dandc.compiler.check.captures import walk
from dandc.compiler.check.suggest import nearest
from dandc.compiler.check.types import variants_of
from dandc.compiler.typed import PBind, PTuple, PVariant, TArm, TPattern
from dandc.compiler.types import Named, Type
from dandc.lang.diagnostics import Diagnostic, Fix, Label

# Where in a pattern: the numbers of variants and parts on the way in.
_Place = tuple[int, ...]


def report_misspelt(body: Body, arms: Sequence[TArm], *, whole: bool) -> bool:
    """Report names that were meant to be variants; whether there are any.

    Unless the arms are `whole`, they have lost what was wrong in them, and that nothing reads a name says nothing.
    """
    inside = [(arm, place, pattern) for arm in arms for place, pattern in _inside(arm.pattern, ())]
    matched = {(place, p.variant) for _, place, p in inside if isinstance(p, PVariant)}
    found = False
    for arm, place, pattern in inside:
        if isinstance(pattern, PBind):
            near = _meant(body, pattern, None if not whole else arm, place, matched)
            if near is not None:
                body.report(_misspelt(body, pattern, near))
                found = True
    return found


def _inside(pattern: TPattern, place: _Place) -> Iterator[tuple[_Place, TPattern]]:
    """`pattern` and all patterns in it, each with its place."""
    yield place, pattern
    if isinstance(pattern, PVariant):
        for i, part in enumerate(pattern.args):
            yield from _inside(part, (*place, pattern.variant, i))
    elif isinstance(pattern, PTuple):
        for i, part in enumerate(pattern.items):
            yield from _inside(part, (*place, i))


def _meant(
    body: Body, pattern: PBind, arm: TArm | None, place: _Place, matched: AbstractSet[tuple[_Place, int]]
) -> str | None:
    """The variant that was meant by a name, None if it is honest; without an `arm` it is read for all we know."""
    name = pattern.local.name
    variants = [variant for variant, _ in variants_of(body.world, body.known(pattern.type)) or ()]
    if not variants or name.startswith("_"):
        return None
    if name[0].isupper():
        return nearest(name, variants)
    near = nearest(name, [v for i, v in enumerate(variants) if (place, i) not in matched], most=1)
    if near is None or arm is None or any(node is pattern.local for node in walk((arm.guard, arm.body))):
        return None
    return near


def _misspelt(body: Body, pattern: PBind, near: str) -> Diagnostic:
    name, span, t = pattern.local.name, pattern.local.span, body.known(pattern.type)
    payload = next(parts for variant, parts in variants_of(body.world, t) or () if variant == near)
    meant = f"{near}({', '.join('_' * len(payload))})" if payload else near
    message = f"`{body.show(t)}` has no variant `{name}`, so it would be a name for every value"
    advice = (
        "a name for all other values begins with a small letter and is read in its arm; `_` takes them without a name"
    )
    return report.simple(
        "T0353",
        message,
        span,
        "matches everything",
        *_declared(body, t, near),
        notes=(advice,),
        fixes=(Fix(f"did you mean `{near}`?", span, meant),),
    )


def _declared(body: Body, t: Type, variant: str) -> Iterator[Label]:
    """Where the variant of an enum stands; those of options and results stand nowhere."""
    if isinstance(t, Named):
        for info in body.world.types[t.name].variants or ():
            if info.name == variant:
                yield Label(info.span, f"`{variant}` is declared here")
