"""`dandc graph FILE [COMPOSITION]`"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve

from dandc.cache import Cache, default_folder
from dandc.checking import check_file, lowered
from dandc.commands.output import Reporter, UseError, say
from dandc.commands.same_file import Named, refuse_same
from dandc.compiler.flow import Graph
from dandc.compiler.flow_walk import called_graph, reachable
from dandc.compiling import CompileError
from dandc.files import write_atomically
from dandc.lang.diagnostics import Diagnostic, DiagnosticError

HELP = "Show the graph of a composition and of what it runs: types, sharding and cardinality on the edges."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", metavar="FILE", help="a .dnd file")
    parser.add_argument("composition", metavar="COMPOSITION", nargs="?", help="by default all of the file")
    parser.add_argument("--form", choices=("mermaid", "svg"), default="mermaid", help="how it is drawn")
    parser.add_argument(
        "--stage", choices=("before", "after", "both"), default="before",
        help="as it is written, as it runs after the passes over graphs, or one below the other",
    )  # fmt: skip
    parser.add_argument("--out", metavar="FILE", help="write a file instead of the standard output")
    parser.add_argument("--no-cache", action="store_true", help="do not use the cache folder")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if there is a graph."""
    from dandc.compiler.graph_passes import pipeline
    from dandc.drawing.mermaid import mermaid
    from dandc.drawing.picture import picture
    from dandc.drawing.svg import svg

    if options.out == "":
        raise UseError(Diagnostic("U0906", "the name of the output file is empty", None))
    if options.out is not None:
        refuse_same([Named("the program", options.file), Named("`--out`", options.out, written=True)])
    loaded, checked = check_file(
        Path(options.file), Cache(None if options.no_cache else default_folder()).open(), tests=False
    )
    found = loaded.diagnostics + checked.diagnostics
    if any(d.severity == "error" for d in found):
        raise CompileError(found, loaded.sources)
    reporter.add_sources(loaded.sources)
    reporter.show(found)
    before = lowered(checked)
    stages = {"before": before, "after": pipeline.run(before)}
    chosen = ("before", "after") if options.stage == "both" else (options.stage,)
    pictures = []
    for stage in chosen:
        graphs = stages[stage].graphs
        for name in _roots(graphs, options.composition):
            for graph in reachable(graphs, name):
                drawn = picture(graph)
                title = f"{drawn.name.removeprefix('main.')} ({stage} the passes)"
                pictures.append(evolve(drawn, name=title) if len(chosen) > 1 else drawn)
    unique = list(dict.fromkeys(pictures))
    text = svg(unique) if options.form == "svg" else mermaid(unique)
    if options.out is None:
        say(text)
    else:
        _write(Path(options.out), text)
    return 0


def _roots(graphs: Mapping[str, Graph], composition: str | None) -> list[str]:
    """The graph that was asked for, or every composition of the file that no other one of it runs."""
    own = [name for name in graphs if name.startswith("main.")]
    if composition is not None:
        if f"main.{composition}" not in own:
            known = ", ".join(f"`{name.removeprefix('main.')}`" for name in own) or "none"
            raise DiagnosticError(
                Diagnostic("R0733", f"there is no composition `{composition}`; there are: {known}", None)
            )
        return [f"main.{composition}"]
    if not own:
        raise DiagnosticError(Diagnostic("U0903", "the file declares no composition", None))
    run = {called for name in own for node in graphs[name].nodes if (called := called_graph(node)) is not None}
    return [name for name in own if name not in run]


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DiagnosticError(Diagnostic("U0906", f"cannot write `{path}`: {reason}", None)) from None
