"""What a type is made of: two programs mean the same by its name only if all that stands behind it is the same."""

from dandc.compiler.types import Array, EnumDef, Named, Option, RecordDef, Result, Tuple, Type, TypeDef, TypeTable


def definitions(t: Type, types: TypeTable) -> dict[Type, TypeDef | None]:
    """Every type that a value of `t` may hold, with its definition where it has one."""
    found: dict[Type, TypeDef | None] = {}
    waiting = [t]
    while waiting:
        part = waiting.pop()
        if part in found:
            continue
        definition = types.get(str(part)) if isinstance(part, Named) else None
        found[part] = definition
        waiting += _parts(part, definition)
    return found


def _parts(t: Type, definition: TypeDef | None) -> list[Type]:
    match t:
        case Array(item) | Option(item):
            return [item]
        case Result(ok, err):
            return [ok, err]
        case Tuple(items):
            return list(items)
        case Named():
            arguments = list(t.args)
            if isinstance(definition, RecordDef):
                return [*arguments, *(field_type for _, field_type in definition.fields)]
            if isinstance(definition, EnumDef):
                return [*arguments, *(part for _, payload in definition.variants for part in payload)]
            return arguments
    return []
