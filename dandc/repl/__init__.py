"""The session behind `dandc repl`: enter declarations, statements and expressions, one after the other.

    text --entry--> items, or statements and a value --state, pieces--> checked --engine--> values --display--> text

`entry` reads what was typed, `state` is what has been declared and bound (a value: an entry that goes wrong leaves
the old one), `pieces` checks an entry against it, `engine` runs it in a sandbox or on the interpreter, `session` brings
these together, `directives` are the words with a colon. `complete`, `colours` and `terminal` serve a person at a terminal.
Nothing here knows the language anew: everything is said by the compiler and done by the machine.
"""
