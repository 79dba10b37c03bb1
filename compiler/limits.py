"""The numbers that the reference interpreter, native code and the encodings must agree on.

They are part of the language's meaning or of the image interface, so they stand in one place and are never tuned.
"""

# Nested calls of functions that belong to a cycle of the call graph; one more is `trap.depth`.
CALL_DEPTH = 1000

# Arrays inside arrays (through any other types) in one encoded value; deeper is refused by every reader and writer.
VALUE_DEPTH = 100

# Elements of an array whose elements encode to nothing: no length in the data bounds such a count.
EMPTY_ELEMENTS = 1 << 20

# Notes of one instance; further ones are dropped and counted in a last note.
NOTE_COUNT = 1000
NOTE_BYTES = 64 * 1024


# Steps (about: instructions, and for half a step elements copied) of computing one constant, and all constants of a program.
CONSTANT_STEPS = 1_000_000
PROGRAM_STEPS = 10_000_000

# Bytes of the value of one constant, and arrays inside arrays in it.
CONSTANT_BYTES = 1 << 20
# Characters and parts of a constant that is only written down and put together: as many as one source can hold.
CONSTANT_PARTS = 4 << 20


def dropped_note(dropped: int) -> str:
    """The text of the last note when `dropped` notes did not fit."""
    return f"{dropped} further notes were dropped"
