"""The table of diagnostic codes: the only place where a code and its title stand.

`L` lexical 00xx, `P` syntax 01xx, `N` names 02xx, `T` types 03xx, `C` compositions 04xx, `M` modules 05xx,
`W` lints 06xx, `R` run time 07xx, `S` sandbox and host 08xx, `U` use of the tools 09xx. A code is never renumbered or
used again.
"""

from attrs import frozen


@frozen
class Code:
    """A row of the table: a title that stands alone, and a sentence or two that explain it."""

    title: str
    explanation: str


CODES: dict[str, Code] = {}


def _family(rows: dict[str, tuple[str, str]]) -> None:
    CODES.update({code: Code(title, text) for code, (title, text) in rows.items()})


# R07xx: what a run can end with. 01-13 happen in calls, 20-24 in communication, 30-38 before anything runs.
_family(
    {
        "R0701": (
            "arithmetic overflow",
            "The exact result of an operation does not fit its type, as in `let big: i8 = 100 + 100`. Use a wider"
            " type, or `+%`, `-%`, `*%` where wrapping is meant.",
        ),
        "R0702": (
            "division by zero",
            "An integer was divided by zero, or a remainder by zero was asked for. Test the divisor first; "
            "division of floats gives infinity or NaN and never traps.",
        ),
        "R0703": (
            "index outside the array",
            "`xs[i]` needs `0 <= i < xs.len()`. Test the index, or use a method that gives an `option`.",
        ),
        "R0704": (
            "conversion without a result",
            "The value has no exact counterpart in the type it was converted to, as in `u8(300)` or `i64(1.5)`. "
            "Check the range first, or wrap on purpose.",
        ),
        "R0705": (
            "slice outside the value",
            "`x[lo..hi]` needs `0 <= lo <= hi <= x.len()`, and in a `str` both must lie between characters, not "
            "inside one.",
        ),
        "R0706": (
            "calls nested too deeply",
            "More than 1,000 calls of recursive functions were nested. Use a loop with a `var`, or an array as a "
            "stack.",
        ),
        "R0707": (
            "shift outside the width",
            "The right side of `<<` or `>>` must not be negative and must be below the number of bits of the left"
            " side.",
        ),
        "R0708": (
            "unreachable code was reached",
            "The program said that this place cannot be reached, and it was.",
        ),
        "R0709": (
            "invalid input item",
            "An item that a kernel read is not a valid encoding of its type. Items of compiled programs always "
            "are; these bytes came from an image that was made in another way.",
        ),
        "R0710": (
            "the kernel failed",
            "The kernel ended with `fail`, or with `?` on an error. The message is what the program said. To go "
            "on without the item, write `on failure skip`, or `on failure collect into NAME` to look at the "
            "failures later.",
        ),
        "R0711": (
            "invalid value in a set",
            "A call gave bytes that are not a value of the type it declared, and a reader found out. Compiled "
            "kernels cannot do that; the image was made in another way.",
        ),
        "R0712": (
            "too many items",
            "A set holds more items than its type allows: `T` is exactly one item, `optional T` at most one.",
        ),
        "R0713": (
            "promised output is absent",
            "An output of the composition is declared as `T`, but the call that should give it was skipped. "
            "Declare it as `optional T`, or make sure that the inputs of that call are there.",
        ),
        "R0720": (
            "communication failed",
            "A request could not be done; the failure code in the note says why. `retry 3` tries again where that"
            " is safe, `on failure collect into NAME` goes on with the other items.",
        ),
        "R0721": (
            "time is over",
            "The call did not get a complete answer within its `timeout` (30 s when it has none). Raise it, or "
            "add `retry 3`.",
        ),
        "R0722": (
            "address outside the declared endpoints",
            "A program reaches only what it declares: an absolute URL must have scheme, host and port of an "
            "`endpoint` and lie under its path. Declare another endpoint if the program should go there.",
        ),
        "R0723": (
            "the service cannot be reached",
            "No connection could be made, or it broke. Check the address of the endpoint and whether the service "
            "runs; `retry 3` helps against short interruptions.",
        ),
        "R0724": (
            "unknown secret",
            "A request named a secret that this run was not given. Kernels hold handles of secrets and cannot "
            "make new ones.",
        ),
        "R0730": (
            "missing input",
            "The composition declares an input that was not given. Pass it with `-i NAME=VALUE`; only `optional` "
            "inputs may be left out. An empty set is passed as `[]`.",
        ),
        "R0731": (
            "unknown input",
            "The composition does not declare an input of this name.",
        ),
        "R0732": (
            "input does not fit its type",
            "The value that was given for an input is not of the declared type. The note leads to the place in "
            "the value.",
        ),
        "R0733": (
            "unknown composition",
            "The program has no composition of this name.",
        ),
        "R0734": (
            "missing config",
            "The program declares a `config` without a default, and the run did not give it. Pass it with "
            "`--config NAME=VALUE`.",
        ),
        "R0735": (
            "unknown config",
            "The program does not declare a `config` of this name.",
        ),
        "R0736": (
            "config does not fit its type",
            "The value that was given for a `config` is not of the declared type.",
        ),
        "R0737": (
            "unusable endpoint address",
            "The address of an endpoint must be one that its module can serve: `http://HOST` or `https://HOST` "
            "with an optional port and path for `http`, a folder or a `file:` URL for `storage`.",
        ),
        "R0738": (
            "no driver",
            "The program calls a communication function of a module that this machine has no driver for.",
        ),
        "R0740": (
            "damaged bundle",
            "The bytes are not a bundle, were changed after they were written, or were put together by something "
            "else than `dandc build`. Build the program again.",
        ),
        "R0741": (
            "bundle of another version",
            "The bundle was written by a version of dandc whose format this one does not read. Build the program "
            "again.",
        ),
    }
)
