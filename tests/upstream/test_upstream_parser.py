"""Upstream's language is read exactly as upstream reads it: its freedoms, its strictness, and every mistake with its place."""

import random

import pytest

from dandc.compiler.check.suggest import nearest
from dandc.lang import Diagnostic, DiagnosticError, Source
from dandc.lang.upstream import Composition, Declaration, mistakes, parse

LOGS = """
function Access( Token ) => (Request);
function HTTP(requests)=>(headers, bodies);
function Render(Pages) => (Html);
composition Logs(TokenIn) => ( Page ) {
    Access(Token = all TokenIn) => (Asked = Request);
    HTTP(requests = each Asked) => (Bodies = bodies);
    Render(Pages = optional keyed Bodies) => (Page = Html);
}
"""


def code_of(text: str) -> str:
    with pytest.raises(DiagnosticError) as caught:
        parse(Source("x.dc", text))
    (found,) = caught.value.diagnostics
    assert found.span is not None
    return f"{found.code} {found.span.start}-{found.span.end} {'; '.join(found.notes)}"


def found(text: str) -> list[str]:
    source = Source("x.dc", text)
    return [f"{d.code} {text[d.span.start : d.span.end]}" for d in mistakes(parse(source), nearest) if d.span]


def test_a_module_in_full() -> None:
    access, http, _, logs = parse(Source("x.dc", LOGS)).items
    assert isinstance(access, Declaration) and isinstance(http, Declaration) and isinstance(logs, Composition)
    assert [n.text for n in http.outputs] == ["headers", "bodies"]
    assert [(a.parameter.text, a.optional, a.shard, a.set.text) for s in logs.applications for a in s.arguments] == [
        ("Token", False, "all", "TokenIn"),
        ("requests", False, "each", "Asked"),
        ("Pages", True, "keyed", "Bodies"),
    ]
    assert [(r.set.text, r.output.text) for s in logs.applications for r in s.results] == [
        ("Asked", "Request"), ("Bodies", "bodies"), ("Page", "Html")
    ]  # fmt: skip
    assert mistakes(parse(Source("x.dc", LOGS)), nearest) == []


@pytest.mark.parametrize(
    ("text", "chain"),
    [
        ("by a", [("by", "a")]),
        ("by a left b", [("by", "a"), ("left", "b")]),
        ("bya leftb fullc", [("by", "a"), ("left", "b"), ("full", "c")]),
        ("by left left right", [("by", "left"), ("left", "right")]),
        ("by a inner b cross c", [("by", "a"), ("inner", "b"), ("cross", "c")]),
    ],
)
def test_chains(text: str, chain: list[tuple[str, str]]) -> None:
    (composition,) = parse(Source("x.dc", f"composition X()=>(){{F()=>(){text};}}")).items
    assert isinstance(composition, Composition)
    assert chain == [(step.strategy, step.parameter.text) for step in composition.applications[0].chain]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \u00a0\u2003\u3000\x0b\x0c\x85",
        "functionA()=>();",
        "composition X( )=>( ){}",
        "composition X(a)=>(b){F(p=allX)=>(b=c);}",
        "composition X(a)=>(b){F(p=optionalallX,q = anyEachall)=>( b = c );}",
        "composition all(by)=>(each){function(optional=keyedkeyed)=>(each=left)byby;}",
    ],
)
def test_what_upstream_takes(text: str) -> None:
    parse(Source("x.dc", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("function A( )=>();", "I1001 12-13 expected a name"),
        ("function A()=>( );", "I1001 16-17 expected a name"),
        ("function A(a,)=>();", "I1001 13-14 expected a name"),
        ("function A()=>()", "I1001 16-16 expected `;`"),
        ("composition X()=>(){};", "I1001 21-22 expected `composition`, `function` or the end"),
        ("composition X(a,)=>(){}", "I1001 16-17 expected a name"),
        ("composition X()=>(){F(p=a)=>();}", "I1001 24-25 expected `all`, `each`, `keyed`, `anyEach` or `anyKeyed` or `optional`"),
        ("// logs", "I1001 0-1 expected `composition` or `function`; this language has no comments"),
        ("function a-b()=>();", "I1001 10-11 expected `()` or `(`"),
        ("function \u00e9()=>();", "I1001 9-10 expected a name"),
        ("composition X()=>(){F()=>() by a by b;}", "I1001 33-35 expected `;` or `inner`, `left`, `right`, `full` or `cross`"),
    ],
)  # fmt: skip
def test_what_upstream_refuses(text: str, expected: str) -> None:
    assert expected == code_of(text)


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("compositon X()=>(){}", "composition X()=>(){}"),
        ("composition X()=>(){F()=>() by a outer b;}", "composition X()=>(){F()=>() by a full b;}"),
        ("composition X(s)=>(){F(a = eech s)=>();}", "composition X(s)=>(){F(a = each s)=>();}"),
        ("composition X(s)=>(){F(a = zzz s)=>();}", None),
    ],
)
def test_a_keyword_that_was_meant_is_named(text: str, fixed: str | None) -> None:
    """Also `outer`, which upstream's documentation has where its parser takes `full`."""
    with pytest.raises(DiagnosticError) as caught:
        parse(Source("x.dc", text))
    assert fixed == applied(text, caught.value.diagnostics[0])


def applied(text: str, found: Diagnostic) -> str | None:
    """The text with the fix of a diagnostic applied."""
    if not found.fixes:
        return None
    (fix,) = found.fixes
    fixed = text[: fix.span.start] + fix.text + text[fix.span.end :]
    parse(Source("x.dc", fixed))
    return fixed


HEAD = "function F(p, q) => (c, d);\n"
CHAIN = "composition X(a, e)=>(b){{F(p=keyed a,q=keyed e)=>(b=c) by {} left {};}}"


def test_a_chain_that_names_sets_is_told_their_parameters() -> None:
    text = HEAD + CHAIN.format("a", "q")
    (told,) = mistakes(parse(Source("x.dc", text)), nearest)
    assert applied(text, told) == HEAD + CHAIN.format("p", "q")
    same = HEAD + CHAIN.format("a", "q").replace("keyed e", "keyed a")
    (told,) = mistakes(parse(Source("x.dc", same)), nearest)
    assert told.message == "`by` names `a`, which is no parameter that is given here"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("composition X(a)=>(b){G(p=all a)=>(b=c);}", ["I1003 G"]),
        ("composition X(a)=>(b){F(z=all a)=>(b=c);}", ["I1004 z"]),
        ("composition X(a)=>(b){F(p=all a)=>(b=z);}", ["I1004 z"]),
        ("composition X(a)=>(b){F(p=all z)=>(b=c);}", ["I1005 z"]),
        ("composition X(a,a)=>(b){F(p=all a)=>(b=c);}", ["I1006 a"]),
        ("composition X(a)=>(b){F(p=all a)=>(a=c, b=d);}", ["I1006 a"]),
        ("composition X(a)=>(b){F(p=all a)=>(b=c);F(p=all a)=>(b=c);}", ["I1006 b"]),
        ("composition X(a)=>(b){F(p=all a, p=all a)=>(b=c);}", ["I1006 p"]),
        ("composition X(a)=>(b,e){F(p=all a)=>(b=c, e=c);}", ["I1006 c"]),
        ("composition X(a)=>(b){F(p=keyed a,q=each a)=>(b=c) by p left q;}", ["I1007 q"]),
        ("composition X(a)=>(b){F(p=keyed a,q=anyKeyed a)=>(b=c) by p left q;}", ["I1007 p"]),
        ("composition X(a)=>(b){F(p=keyed a)=>(b=c) by p left q;}", ["I1007 q"]),
        ("composition X(a)=>(b){F(p=keyed a,q=keyed a)=>(b=c) by p left p;}", ["I1007 p"]),
        ("composition X(a)=>(b){F(p=all e)=>(b=c);F(p=all b)=>(e=c);}", ["I1008 b"]),
        ("composition X(a)=>(b){}", ["I1010 b"]),
        ("composition F(a)=>(a){}", ["I1002 F"]),
        ("composition X(a)=>(a){} composition X(a)=>(a){}", ["I1002 X"]),
        ("function F(p)=>(c);", ["I1002 F"]),
        ("function F(p, q) => (c, d); composition X(a)=>(a){}", []),
        ("composition X(a)=>(b){F(p=all e)=>(b=c);F(p=all a)=>(e=c);}", []),
    ],
)  # fmt: skip
def test_mistakes(text: str, expected: list[str]) -> None:
    assert expected == found(HEAD + text)


def test_a_function_is_declared_above_its_use() -> None:
    text = "composition X(a)=>(b){F(p=all a)=>(b=c);}\nfunction F(p)=>(c);"
    assert ["I1003 F"] == found(text)


def test_damaged_sources_end_in_diagnostics() -> None:
    chance = random.Random(7)
    codes: set[str] = set()
    pieces = [
        *"(){},;= \n",
        "=>",
        "function",
        "composition",
        "by",
        "left",
        "all",
        "optional",
        "F",
        "x1",
        "\0",
        "\u00e9",
        "//",
    ]
    for _ in range(2_000):
        text = list(LOGS)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text))
            text[at : at + chance.randint(0, 3)] = [chance.choice(pieces)]
        source = Source("x.dc", "".join(text))
        try:
            mistakes(parse(source), nearest)
        except DiagnosticError as error:
            codes.update(d.code for d in error.diagnostics)
    assert codes == {"I1001"}


def test_long_sources_take_linear_time() -> None:
    """A chain of 3,000 statements, and as many names in a list: no recursion, nothing quadratic."""
    lines = [f"F(p = all s{i}) => (s{i + 1} = c);" for i in range(3_000)]
    names = ", ".join(f"n{i}" for i in range(3_000))
    text = f"{HEAD}function Many({names}) => ();composition X(s0) => (s3000) {{ {' '.join(reversed(lines))} }}"
    assert mistakes(parse(Source("x.dc", text)), nearest) == []
