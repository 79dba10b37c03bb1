"""Chapters and commands are read into values; what cannot be read is a problem and never an example that passes."""

import pytest

from dandc.conform.chapters import Problem, Rule, check_suite, parse_chapter
from dandc.conform.commands import (
    At,
    Call,
    CommandError,
    Exhausts,
    Fails,
    Fmt,
    Gives,
    Mistake,
    Mistakes,
    Nodes,
    Notes,
    Ok,
    Run,
    RunTest,
    TypeOf,
    parse_command,
    written,
)


def chapter(*lines: str):
    return parse_chapter("01.md", "\n".join(lines))


def test_a_rule_is_a_line_of_its_own():
    found = chapter("# Title", "r[expr.int.add]", "text with r[not.a.rule] inside", "", "r[expr.x-1]")

    assert (Rule("expr.int.add", 2), Rule("expr.x-1", 5)) == found.rules
    assert () == found.problems


def test_an_example_has_program_and_commands():
    found = chapter(
        "~~~dnd example id=add rules=a.b,c.d", "fn f() -> i64 = 1;", "", "--- ok", "--- call f() => 1", "~~~"
    )

    (example,) = found.examples
    assert ("add", ("a.b", "c.d"), "fn f() -> i64 = 1;\n\n", 1) == (
        example.id, example.rules, example.text, example.line,
    )  # fmt: skip
    assert (Ok(4), Call(5, "f", (), Gives("1"))) == example.commands


def test_named_fences_are_files_of_the_next_example():
    found = chapter(
        "`lib/a.dnd`:", "", "~~~dnd", "fn a() {}", "~~~", "text", "~~~dnd", "not a file", "~~~",
        "~~~dnd example id=one rules=a.b", "--- ok", "~~~", "~~~dnd example id=two rules=a.b", "--- ok", "~~~",
    )  # fmt: skip

    assert [(("lib/a.dnd", "fn a() {}\n"),), ()] == [example.files for example in found.examples]


def test_a_line_of_text_between_name_and_fence_takes_the_name_away():
    found = chapter("`a.dnd`:", "text", "~~~dnd", "x", "~~~", "~~~dnd example id=one rules=a.b", "--- ok", "~~~")

    assert () == found.examples[0].files


def test_repetitions_expand_only_where_the_example_says_so():
    plain = chapter("~~~dnd example id=a rules=a.b", "{{( x 3}}", "--- ok", "~~~")
    expanded = chapter("~~~dnd example id=a rules=a.b expand=yes", "{{( x 3}}1", "--- ok", "~~~")

    assert "{{( x 3}}\n" == plain.examples[0].text
    assert "(((1\n" == expanded.examples[0].text


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["r[Expr]"], "`Expr` is not a rule id"),
        (["r[a.b]", "r[a.b]"], "the rule `a.b` stands twice"),
        (["~~~dnd example rules=a.b", "--- ok", "~~~"], "an example needs `id=`"),
        (["~~~dnd example id=a", "--- ok", "~~~"], "says no rules"),
        (["~~~dnd example id=a rules=a.b", "fn f() {}", "~~~"], "says nothing about what it must do"),
        (["~~~dnd example id=a rules=a.b mode=x", "--- ok", "~~~"], "not `mode`"),
        (["~~~dnd example id=a rules=a.b", "--- okay", "~~~"], "there is no command `okay`"),
        (["`a.dnd`:", "~~~dnd", "x", "~~~"], "the file `a.dnd` belongs to no example"),
    ],
)
def test_what_cannot_be_read_is_a_problem(lines, message):
    (problem, *_) = chapter(*lines).problems

    assert message in problem.message


def test_a_command_that_cannot_be_read_does_not_hide_the_others():
    found = chapter("~~~dnd example id=a rules=a.b", "--- wrong", "--- ok", "~~~")

    assert (Ok(3),) == found.examples[0].commands
    assert [2] == [problem.line for problem in found.problems]


def test_ids_rules_and_codes_are_checked_between_chapters():
    example = ("~~~dnd example id=same rules=a.b,no.rule", "--- error T9999", "~~~")
    one, two = (
        parse_chapter("1.md", "\n".join(("r[a.b]", *example))),
        parse_chapter("2.md", "\n".join(("r[a.b]", *example))),
    )

    messages = {problem.message for problem in check_suite([one, two])}
    assert messages == {
        "the rule `a.b` stands in `1.md` too",
        "the id `same` is used in `1.md` already",
        "the example `same` names an unknown rule `no.rule`",
        "there is no diagnostic `T9999`",
    }
    assert Problem("1.md", 2, "there is no diagnostic `T9999`") in check_suite([one])


COMMANDS = [
    ("ok", Ok(1)),
    ("error T0301", Mistake(1, Fails("T0301"))),
    ("error T0301 at 2:5", Mistake(1, Fails("T0301", At(2, 5)))),
    ('error T0301 at a/b.dnd:2:5-3:1 "a \\"b\\""', Mistake(1, Fails("T0301", At(2, 5, 3, 1, "a/b.dnd"), 'a "b"'))),
    ("error P0101 x 100", Mistakes(1, "P0101", 100)),
    ("type f.x : array[i64]", TypeOf(1, "f.x", "array[i64]")),
    ("call f() => 3", Call(1, "f", (), Gives("3"))),
    ('call f(1, [2, 3], P(x: "a,)")) => (1, 2)', Call(1, "f", ("1", "[2, 3]", 'P(x: "a,)")'), Gives("(1, 2)"))),
    ("call f(0) error R0702 at 1:2-1:3", Call(1, "f", ("0",), Fails("R0702", At(1, 2, 1, 3)))),
    ('test "a \\"b\\"" passes', RunTest(1, 'a "b"', None)),
    ('test "a" error R0750 at 1:2', RunTest(1, "a", Fails("R0750", At(1, 2)))),
    ("call f() exhausts time", Call(1, "f", (), Exhausts("time"))),
]


@pytest.mark.parametrize(("text", "command"), COMMANDS)
def test_commands_are_read_and_written_back(text, command):
    assert command == parse_command(1, text, [])
    if not isinstance(command, Ok | Mistakes):
        assert text == written(command)


def test_runs_have_json_inputs_configs_and_outputs():
    run = parse_command(1, 'run main {"a": [1]} config {"c": "}"}', ['=> {"b": {"x": 2}}'])

    assert isinstance(run, Run)
    assert ("main", {"a": [1]}, {"c": "}"}, {"b": {"x": 2}}) == (run.name, run.inputs, run.config, run.outputs)
    assert 'run main {"a": [1]} config {"c": "}"} => {"b": {"x": 2}}' == written(run)


def test_runs_may_fail():
    run = parse_command(1, 'run {} error R0710 at 1:2 "no"', [])

    assert isinstance(run, Run)
    assert (None, Fails("R0710", At(1, 2), "no")) == (run.outputs, run.fails)


def test_counts_notes_and_formatted_texts_are_read():
    nodes, notes, fmt = (
        parse_command(1, 'nodes {"f": {"ran": 1}}', []),
        parse_command(1, 'notes ["a"]', []),
        parse_command(1, "fmt", ["a", "  b"]),
    )

    assert isinstance(nodes, Nodes) and nodes.counts == {"f": {"ran": 1}}
    assert isinstance(notes, Notes) and notes.texts == ["a"]
    assert Fmt(1, "a\n  b\n") == fmt


@pytest.mark.parametrize(
    "text",
    [
        "ok then", "error", "error X", "error T0301 at 2", "error T0301 near 2:5", "type x", "call f", "call f(1", "call f(1)",
        "call f(1) =>", "call f(1) exhausts patience", "run", "run {} => 3", 'run {"a" => {}', "run {} => {} more", "nodes [1]",
        "notes {}", "trap", 'test "a"', "test a passes",
    ],
)  # fmt: skip
def test_a_command_that_says_too_little_is_refused(text):
    with pytest.raises(CommandError):
        parse_command(1, text, [])


def test_a_position_without_an_end_fits_any_end():
    assert At(1, 2).fits(At(1, 2, 1, 9))
    assert not At(1, 2).fits(At(1, 3, 1, 9))
    assert not At(1, 2, 1, 8).fits(At(1, 2, 1, 9))
    assert not At(1, 2, 1, 9).fits(At(1, 2, 1, 9, "b.dnd"))
