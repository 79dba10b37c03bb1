"""Runs the `test` blocks of programs: `dandc test`.

    cases.py     files to checked tests, and their code: pieces for interpreter and sandbox, programs for runs
    runner.py    one test, row by row: fakes, runs, expectations, and the verdict as diagnostics
    engine.py    the interpreter, within bounds
    fakes.py     what stands behind endpoints      clock.py   time that passes only while somebody waits
    report.py    verdicts as lines, JSON and JUnit

Nothing of a test leaves the machine: compositions run in real sandboxes, through the real machine and the real HTTP
driver, but the last step of a request is a fake. Every pure piece also runs in the reference interpreter, and both must agree.
"""
