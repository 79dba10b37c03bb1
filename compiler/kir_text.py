"""The text form of kernel IR: prints and parses, exactly.

Goldens of passes and all tests of the back end are written in it. One instruction a line, bodies in braces. Names are
quoted; floats are hexadecimal, so that no bit is lost; a site stands at the end of its instruction as `@start-end`, with
the number of the file first (`@1:4-9`) when it is not file 0.

    kernel "page"
    param set "lines": set[str]
    output one "page": str
    const "main.SIZES": array[i64] = [1, 2]
    file 0 "main.dnd"
    fn "page"(%0 "lines": set[str]) -> unit {
      var %1 "text": str
      %1 = "":str
      extend %1, "a":str @4-9
      emit 0 value=%1 @10-20
    }
"""

import json
import math
import re

from dandc.compiler.encoding import Variant
from dandc.compiler.flow import OutputDecl, ParamDecl
from dandc.compiler.kir import (
    MUTATIONS,
    OPS,
    Assign,
    Body,
    Break,
    Call,
    Const,
    Constant,
    Continue,
    Emit,
    Fail,
    FieldStep,
    For,
    Function,
    If,
    IndexStep,
    Instr,
    Kernel,
    Lit,
    Load,
    Local,
    Loop,
    Make,
    MakeArray,
    MakeVariant,
    Mutate,
    Note,
    Op,
    Operand,
    PayloadStep,
    Place,
    Return,
    StaticValue,
    Step,
    Store,
    Switch,
    Trap,
)
from dandc.compiler.kir_walk import walk
from dandc.compiler.type_text import TypeTextError, parse_type_prefix
from dandc.compiler.types import (
    BOOL,
    BYTES,
    STR,
    UNIT,
    Array,
    Basic,
    EnumDef,
    RecordDef,
    Type,
    TypeDef,
    TypeTable,
    fields,
    is_float,
    variants,
)
from dandc.lang.spans import NOWHERE, Span

# --- printing -------------------------------------------------------------------------------------------------------


def print_kernel(kernel: Kernel) -> str:
    """The whole kernel; `parse_kernel` reads it back."""
    files = list(dict.fromkeys(i.site.file for f in kernel.functions for i in walk(f.body) if i.site != NOWHERE))
    lines = [f"kernel {_quote(kernel.name)}"]
    lines += [f"param {_declared(p)}" for p in kernel.params]
    lines += [f"output {_declared(o)}" for o in kernel.outputs]
    lines += [_type_line(name, definition) for name, definition in kernel.types.items()]
    lines += [
        f"const {_quote(c.name)}: {c.type} = {_value_text(kernel.types, c.type, c.value)}" for c in kernel.constants
    ]
    lines += [f"file {number} {_quote(file)}" for number, file in enumerate(files)]
    for function in kernel.functions:
        lines += ["", *_Printer(files).function(function)]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    return json.dumps(text)


def _declared(decl: ParamDecl | OutputDecl) -> str:
    key = f"{decl.key} => " if decl.key is not None else ""
    return f"{decl.kind} {_quote(decl.name)}: {key}{decl.item}"


def _type_line(name: str, definition: TypeDef) -> str:
    if isinstance(definition, RecordDef):
        names = _names(definition, [field for field, _ in definition.fields])
        inner = ", ".join(f"{n}: {t}" for n, (_, t) in zip(names, definition.fields, strict=True))
        return f"record {_quote(name)} {{{inner}}}"
    names = _names(definition, [variant for variant, _ in definition.variants])
    payloads = [", ".join(map(str, payload)) for _, payload in definition.variants]
    rows = ", ".join(f"{n}({p})" for n, p in zip(names, payloads, strict=True))
    return f"enum {_quote(name)} {{{rows}}}"


def _names(definition: TypeDef, names: list[str]) -> list[str]:
    """The names of fields or variants, with what they are called in encodings if that is something else."""
    quoted = [_quote(name) for name in names]
    return (
        [f"{n} as {_quote(e)}" for n, e in zip(quoted, definition.encoded, strict=True)]
        if definition.encoded
        else quoted
    )


def literal_text(literal: Lit) -> str:
    """A literal with its type, exact."""
    t, value = literal.type, literal.value
    if t == UNIT:
        return "()"
    if t == BOOL:
        return "true" if value else "false"
    if t == BYTES:
        assert isinstance(value, bytes)
        return f"x{_quote(value.hex())}"
    if isinstance(value, str):
        return f"{_quote(value)}:{t}"
    if is_float(t):
        assert isinstance(value, float)
        return f"{_float_text(value)}:{t}"
    assert isinstance(value, int)
    return f"{value:d}:{t}"


def _value_text(types: TypeTable, t: Type, value: StaticValue) -> str:
    """A constant's value: as literals without types, `[...]` an array, `(...)` fields, `#1(...)` a variant."""
    if isinstance(t, Basic):
        text = literal_text(Lit(t, value))  # type: ignore[arg-type]
        return text if t in (UNIT, BOOL, BYTES) else text.removesuffix(f":{t}")
    if isinstance(value, Variant):
        payload = variants(t, types)[value.index][1]
        inside = ", ".join(_value_text(types, p, v) for p, v in zip(payload, value.fields, strict=True))
        return f"#{value.index}({inside})"
    assert isinstance(value, tuple)
    if isinstance(t, Array):
        return f"[{', '.join(_value_text(types, t.item, v) for v in value)}]"
    return f"({', '.join(_value_text(types, p, v) for (_, p), v in zip(fields(t, types), value, strict=True))})"


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value.hex()


def _operand(operand: Operand) -> str:
    return literal_text(operand) if isinstance(operand, Lit) else f"%{operand}"


def place_text(place: Place) -> str:
    """A place: `%1.0` a field, `%1!2.0` payload 0 of variant 2, `%1[%3]` an element."""
    return f"%{place.root}" + "".join(map(_step, place.steps))


def _step(step: Step) -> str:
    match step:
        case FieldStep(index=index):
            return f".{index}"
        case PayloadStep(variant=variant, index=index):
            return f"!{variant}.{index}"
        case IndexStep(index=operand):
            return f"[{_operand(operand)}]"


def _operands(args: tuple[Operand, ...]) -> str:
    return ", ".join(map(_operand, args))


def instr_text(instr: Instr) -> str:
    """The line of an instruction without its bodies and its site."""
    match instr:
        case Assign(dst=dst, src=src):
            return f"%{dst} = {_operand(src)}"
        case Load(dst=dst, place=place, mode=mode):
            return f"%{dst} = {mode} {place_text(place)}"
        case Store(place=place, src=src):
            return f"store {place_text(place)}, {_operand(src)}"
        case Op(dst=dst, op=op, args=args):
            return f"%{dst} = {op}({_operands(args)})"
        case Mutate(op=op, place=place, args=args):
            return f"{op} {place_text(place)}, {_operands(args)}"
        case Make(dst=dst, args=args):
            return f"%{dst} = make({_operands(args)})"
        case MakeVariant(dst=dst, variant=variant, args=args):
            return f"%{dst} = variant {variant}({_operands(args)})"
        case MakeArray(dst=dst, args=args):
            return f"%{dst} = array({_operands(args)})"
        case Const(dst=dst, name=name):
            return f"%{dst} = const {_quote(name)}"
        case Call():
            return _call_text(instr)
        case Emit():
            return _emit_text(instr)
        case Note(message=message):
            return f"note {_operand(message)}"
        case Fail(message=message):
            return f"fail {_operand(message)}"
        case Trap(code=code):
            return f"trap {code}"
        case Return(value=value):
            return "return" if value is None else f"return {_operand(value)}"
    return _structured_text(instr)


def _call_text(call: Call) -> str:
    args = (f"inout {place_text(arg)}" if isinstance(arg, Place) else _operand(arg) for arg in call.args)
    head = "" if call.dst is None else f"%{call.dst} = "
    return f"{head}call {_quote(call.fn)}({', '.join(args)})"


def _emit_text(emit: Emit) -> str:
    key = "" if emit.key is None else f" key={_operand(emit.key)}"
    name = "" if emit.name is None else f" name={_operand(emit.name)}"
    return f"emit {emit.output}{key}{name} value={_operand(emit.value)}"


def _structured_text(instr: Instr) -> str:
    match instr:
        case If(cond=cond):
            return f"if {_operand(cond)}"
        case Switch(subject=subject):
            return f"switch {_operand(subject)}"
        case Loop(release=release):
            return "loop release" if release else "loop"
        case For(index=index, lo=lo, hi=hi, release=release, sticky=sticky):
            marks = (" release" if release else "") + (" sticky" if sticky else "")
            return f"for %{index} = {_operand(lo)} to {_operand(hi)}{marks}"
        case Break():
            return "break"
        case Continue():
            return "continue"
    raise TypeError(f"not an instruction: {instr!r}")


class _Printer:
    """Prints functions with the numbers of the files that sites name."""

    def __init__(self, files: list[str]) -> None:
        self.files = files
        self.lines: list[str] = []

    def function(self, function: Function) -> list[str]:
        params = ", ".join(
            ("inout " if function.inout[i] else "") + _local_text(i, function.locals[i]) for i in range(function.params)
        )
        release = " release" if function.release else ""
        self.lines.append(f"fn {_quote(function.name)}({params}) -> {function.result}{release} {{")
        for number in range(function.params, len(function.locals)):
            local = function.locals[number]
            self.lines.append(f"  {'var' if local.mutable else 'let'} {_local_text(number, local)}")
        self.body(function.body, "  ")
        self.lines.append("}")
        return self.lines

    def body(self, body: Body, indent: str) -> None:
        for instr in body:
            self.instr(instr, indent)

    def instr(self, instr: Instr, indent: str) -> None:
        head = indent + instr_text(instr)
        site = self.site(instr.site)
        match instr:
            case If(then=then, orelse=orelse):
                self.lines.append(f"{head} {{{site}")
                self.body(then, indent + "  ")
                if orelse:
                    self.lines.append(indent + "} else {")
                    self.body(orelse, indent + "  ")
            case Switch(cases=cases, default=default):
                self.lines.append(f"{head} {{{site}")
                for number, inner in cases:
                    self.block(f"case {number}", inner, indent + "  ")
                self.block("default", default, indent + "  ")
            case Loop(body=inner) | For(body=inner):
                self.lines.append(f"{head} {{{site}")
                self.body(inner, indent + "  ")
            case _:
                self.lines.append(head + site)
                return
        self.lines.append(indent + "}")

    def block(self, head: str, body: Body, indent: str) -> None:
        self.lines.append(f"{indent}{head} {{")
        self.body(body, indent + "  ")
        self.lines.append(indent + "}")

    def site(self, site: Span) -> str:
        if site == NOWHERE:
            return ""
        number = self.files.index(site.file)
        return f" @{f'{number}:' if number else ''}{site.start}-{site.end}"


def _local_text(number: int, local: Local) -> str:
    return f"%{number} {_quote(local.name)}: {local.type}"


# --- parsing --------------------------------------------------------------------------------------------------------


class KirTextError(ValueError):
    """The text is no kernel; says the line."""


_STRING = r'"(?:[^"\\]|\\.)*"'
_LITERAL = re.compile(
    rf"(?P<unit>\(\))|(?P<bool>true|false)\b|x(?P<bytes>{_STRING})|(?P<text>{_STRING}):(?P<text_type>str|secret)"
    r"|(?P<float>-?0x[0-9a-f.]+p[+-]?\d+|-?inf|nan):(?P<float_type>f32|f64)|(?P<int>-?\d+):(?P<int_type>[iu]\d+)"
)
_PLAIN = re.compile(rf"\(\)|true\b|false\b|x?{_STRING}|-?0x[0-9a-f.]+p[+-]?\d+|-?inf|nan|-?\d+")
_SITE = re.compile(r" @(?:(\d+):)?(\d+)-(\d+)$")


def parse_kernel(text: str) -> Kernel:
    """Reads what `print_kernel` wrote; blank lines and lines that begin with `#` do not count. Raises `KirTextError`."""
    parser = _Parser(text)
    try:
        return parser.kernel()
    except (KirTextError, TypeTextError, ValueError, IndexError, KeyError) as error:
        raise KirTextError(f"line {parser.number}: {parser.line!r}: {error}") from error


class _Parser:
    """A cursor over the lines of a text, and one over the current line."""

    def __init__(self, text: str) -> None:
        lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
        self.lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
        self.next_line = 0
        self.number = 0
        self.line = ""
        self.at = 0
        self.files: dict[int, str] = {}

    # the line

    def advance(self) -> str:
        self.number, self.line = self.lines[self.next_line]
        self.next_line += 1
        self.at = 0
        return self.line

    def peek_line(self) -> str:
        return self.lines[self.next_line][1] if self.next_line < len(self.lines) else ""

    def accept(self, token: str) -> bool:
        if self.line.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise KirTextError(f"expected {token!r} at column {self.at}")

    def match(self, pattern: str) -> str:
        found = re.compile(pattern).match(self.line, self.at)
        if found is None:
            raise KirTextError(f"expected {pattern!r} at column {self.at}")
        self.at = found.end()
        return found[0]

    def integer(self) -> int:
        return int(self.match(r"-?\d+"))

    def string(self) -> str:
        found: str = json.loads(self.match(_STRING))
        return found

    def type(self) -> Type:
        found, self.at = parse_type_prefix(self.line, self.at)
        return found

    def local(self) -> int:
        self.expect("%")
        return self.integer()

    def operand(self) -> Operand:
        return self.local() if self.line.startswith("%", self.at) else self.literal()

    def literal(self) -> Lit:
        found = _LITERAL.match(self.line, self.at)
        if found is None:
            raise KirTextError(f"expected an operand at column {self.at}")
        self.at = found.end()
        return _literal_value(found)

    def operands(self, closing: str) -> tuple[Operand, ...]:
        args: list[Operand] = []
        while not self.accept(closing):
            if args:
                self.expect(", ")
            args.append(self.operand())
        return tuple(args)

    def rest_operands(self) -> tuple[Operand, ...]:
        args: list[Operand] = []
        while self.accept(", "):
            args.append(self.operand())
        return tuple(args)

    def place(self) -> Place:
        root = self.local()
        steps: list[Step] = []
        while True:
            if self.accept("."):
                steps.append(FieldStep(self.integer()))
            elif self.accept("!"):
                variant = self.integer()
                self.expect(".")
                steps.append(PayloadStep(variant, self.integer()))
            elif self.accept("["):
                steps.append(IndexStep(self.operand()))
                self.expect("]")
            else:
                return Place(root, tuple(steps))

    # the kernel

    def kernel(self) -> Kernel:
        self.advance()
        self.expect("kernel ")
        name = self.string()
        params: list[ParamDecl] = []
        outputs: list[OutputDecl] = []
        types: dict[str, TypeDef] = {}
        functions: list[Function] = []
        constants: list[Constant] = []
        while self.next_line < len(self.lines):
            self.advance()
            match self.match(r"\w+ "):
                case "param ":
                    params.append(ParamDecl(*self.declared()))
                case "output ":
                    outputs.append(OutputDecl(*self.declared()))
                case "record ":
                    named = self.string()
                    types[named] = self.record()
                case "enum ":
                    named = self.string()
                    types[named] = self.enum()
                case "const ":
                    constants.append(self.constant(types))
                case "file ":
                    number = self.integer()
                    self.expect(" ")
                    self.files[number] = self.string()
                case "fn ":
                    functions.append(self.function())
                case other:
                    raise KirTextError(f"unknown {other!r}")
        return Kernel(name, tuple(params), tuple(outputs), tuple(functions), types, tuple(constants))

    def constant(self, types: dict[str, TypeDef]) -> Constant:
        name = self.string()
        self.expect(": ")
        t = self.type()
        self.expect(" = ")
        return Constant(name, t, self.value(t, types))

    def value(self, t: Type, types: dict[str, TypeDef]) -> StaticValue:
        """A value of type `t` as `_value_text` writes it."""
        if isinstance(t, Basic):
            found = _PLAIN.match(self.line, self.at)
            if found is None:
                raise KirTextError(f"expected a value of `{t}` at column {self.at}")
            self.at = found.end()
            typed = found[0] if t in (UNIT, BOOL, BYTES) else f"{found[0]}:{t}"
            literal = _LITERAL.fullmatch(typed)
            if literal is None:
                raise KirTextError(f"{found[0]} is no value of `{t}`")
            return _literal_value(literal).value
        if self.accept("#"):
            index = self.integer()
            self.expect("(")
            return Variant(index, self.values(variants(t, types)[index][1], ")", types))
        if isinstance(t, Array):
            self.expect("[")
            items: list[StaticValue] = []
            while not self.accept("]"):
                if items:
                    self.expect(", ")
                items.append(self.value(t.item, types))
            return tuple(items)
        self.expect("(")
        return self.values(tuple(p for _, p in fields(t, types)), ")", types)

    def values(self, parts: tuple[Type, ...], closing: str, types: dict[str, TypeDef]) -> tuple[StaticValue, ...]:
        found: list[StaticValue] = []
        for number, part in enumerate(parts):
            if number:
                self.expect(", ")
            found.append(self.value(part, types))
        self.expect(closing)
        return tuple(found)

    def declared(self) -> tuple[str, str, Type | None, Type]:
        """Name, kind, key and item."""
        kind = self.match("one|optional|set")
        self.expect(" ")
        name = self.string()
        self.expect(": ")
        first = self.type()
        if self.accept(" => "):
            return name, kind, first, self.type()
        return name, kind, None, first

    def record(self) -> RecordDef:
        self.expect(" {")
        fields: list[tuple[str, Type]] = []
        encoded: list[str] = []
        while not self.accept("}"):
            if fields:
                self.expect(", ")
            name = self.encoded_name(encoded)
            self.expect(": ")
            fields.append((name, self.type()))
        return RecordDef(tuple(fields), tuple(encoded))

    def encoded_name(self, encoded: list[str]) -> str:
        """The name of a field or variant; what it is called in encodings is put into `encoded`."""
        name = self.string()
        if self.accept(" as "):
            encoded.append(self.string())
        return name

    def enum(self) -> EnumDef:
        self.expect(" {")
        rows: list[tuple[str, tuple[Type, ...]]] = []
        encoded: list[str] = []
        while not self.accept("}"):
            if rows:
                self.expect(", ")
            name = self.encoded_name(encoded)
            self.expect("(")
            payload: list[Type] = []
            while not self.accept(")"):
                if payload:
                    self.expect(", ")
                payload.append(self.type())
            rows.append((name, tuple(payload)))
        return EnumDef(tuple(rows), tuple(encoded))

    def function(self) -> Function:
        name = self.string()
        self.expect("(")
        locals_: list[Local] = []
        inout: list[bool] = []
        while not self.accept(")"):
            if inout:
                self.expect(", ")
            inout.append(self.accept("inout "))
            locals_.append(self.declare(len(locals_), mutable=inout[-1]))
        self.expect(" -> ")
        result = self.type()
        release = self.accept(" release")
        self.expect(" {")
        while re.match("(var|let) ", self.peek_line()):
            self.advance()
            mutable = self.match("(var|let) ") == "var "
            locals_.append(self.declare(len(locals_), mutable=mutable))
        body = self.body()
        return Function(name, len(inout), tuple(inout), result, tuple(locals_), body, release)

    def declare(self, number: int, *, mutable: bool) -> Local:
        if self.local() != number:
            raise KirTextError(f"local {number} is missing")
        self.expect(" ")
        name = self.string()
        self.expect(": ")
        return Local(name, self.type(), mutable)

    # bodies

    def body(self) -> Body:
        """Instructions up to the line that begins with `}`, which stays the current one."""
        found: list[Instr] = []
        while not self.peek_line().startswith("}"):
            self.advance()
            found.append(self.instr())
        self.advance()
        return tuple(found)

    def site(self) -> Span:
        found = _SITE.search(self.line)
        if found is None:
            return NOWHERE
        self.line = self.line[: found.start()]
        return Span(self.files[int(found[1] or 0)], int(found[2]), int(found[3]))

    def instr(self) -> Instr:
        site = self.site()
        if self.line.startswith("%"):
            return self.definition(site)
        word = self.match(r"\w+")
        if word in MUTATIONS:
            self.expect(" ")
            place = self.place()
            return Mutate(site, word, place, self.rest_operands())
        match word:
            case "store":
                self.expect(" ")
                place = self.place()
                self.expect(", ")
                return Store(site, place, self.operand())
            case "call":
                return self.call(site, None)
            case "emit":
                return self.emit(site)
            case "note":
                self.expect(" ")
                return Note(site, self.operand())
            case "fail":
                self.expect(" ")
                return Fail(site, self.operand())
            case "trap":
                return Trap(site, self.match(r" [\w.]+").strip())
            case "return":
                return Return(site, self.operand() if self.accept(" ") else None)
        return self.structured(site, word)

    def structured(self, site: Span, word: str) -> Instr:
        match word:
            case "if":
                self.expect(" ")
                cond = self.operand()
                self.expect(" {")
                then = self.body()
                return If(site, cond, then, self.body() if self.accept("} else {") else ())
            case "switch":
                return self.switch(site)
            case "loop":
                release = self.accept(" release")
                self.expect(" {")
                return Loop(site, self.body(), release)
            case "for":
                return self.for_loop(site)
            case "break":
                return Break(site)
            case "continue":
                return Continue(site)
        raise KirTextError(f"unknown instruction {word!r}")

    def for_loop(self, site: Span) -> For:
        self.expect(" ")
        index = self.local()
        self.expect(" = ")
        lo = self.operand()
        self.expect(" to ")
        hi = self.operand()
        release = self.accept(" release")
        sticky = self.accept(" sticky")
        self.expect(" {")
        return For(site, index, lo, hi, self.body(), release, sticky)

    def switch(self, site: Span) -> Switch:
        self.expect(" ")
        subject = self.operand()
        self.expect(" {")
        cases: list[tuple[int, Body]] = []
        while self.peek_line().startswith("case "):
            self.advance()
            self.expect("case ")
            number = self.integer()
            self.expect(" {")
            cases.append((number, self.body()))
        self.advance()
        self.expect("default {")
        default = self.body()
        if self.advance() != "}":
            raise KirTextError("the switch does not end")
        return Switch(site, subject, tuple(cases), default)

    def definition(self, site: Span) -> Instr:
        dst = self.local()
        self.expect(" = ")
        word = re.compile(r"[a-z_0-9]+(?=[ (])").match(self.line, self.at)
        if word is None:
            return Assign(site, dst, self.operand())
        self.at = word.end()
        return self.defined(site, dst, word[0])

    def defined(self, site: Span, dst: int, word: str) -> Instr:
        match word:
            case "borrow" | "share" | "move":
                self.expect(" ")
                return Load(site, dst, self.place(), word)
            case "make":
                self.expect("(")
                return Make(site, dst, self.operands(")"))
            case "array":
                self.expect("(")
                return MakeArray(site, dst, self.operands(")"))
            case "variant":
                self.expect(" ")
                number = self.integer()
                self.expect("(")
                return MakeVariant(site, dst, number, self.operands(")"))
            case "call":
                return self.call(site, dst)
            case "const":
                self.expect(" ")
                return Const(site, dst, self.string())
        if word not in OPS:
            raise KirTextError(f"unknown operation {word!r}")
        self.expect("(")
        return Op(site, dst, word, self.operands(")"))

    def call(self, site: Span, dst: int | None) -> Call:
        self.expect(" ")
        name = self.string()
        self.expect("(")
        args: list[Operand | Place] = []
        while not self.accept(")"):
            if args:
                self.expect(", ")
            args.append(self.place() if self.accept("inout ") else self.operand())
        return Call(site, dst, name, tuple(args))

    def emit(self, site: Span) -> Emit:
        self.expect(" ")
        output = self.integer()
        key = self.operand() if self.accept(" key=") else None
        name = self.operand() if self.accept(" name=") else None
        self.expect(" value=")
        return Emit(site, output, key, name, self.operand())


def _literal_value(found: re.Match[str]) -> Lit:
    if found["unit"]:
        return Lit(UNIT, None)
    if found["bool"]:
        return Lit(BOOL, found["bool"] == "true")
    if found["bytes"]:
        return Lit(BYTES, bytes.fromhex(json.loads(found["bytes"])))
    if found["text"]:
        return Lit(STR if found["text_type"] == "str" else Basic("secret"), json.loads(found["text"]))
    if found["float"]:
        text = found["float"]
        return Lit(Basic(found["float_type"]), float.fromhex(text) if "0x" in text else float(text))
    return Lit(Basic(found["int_type"]), int(found["int"]))
