"""`dandc run` for programs whose calls of the node given in `ONCE_NODE` are effects, done once: `once` for every program.

    ONCE_NODE=http.fetch#2 python once_run.py run FILE ...

The policy is put on after compiling; everything else is the command line itself.
"""

import os
import sys
from typing import Any

from attrs import evolve

from dandc.__main__ import main
from dandc.commands import run
from dandc.compiler.flow import ConstSource, Program

compile_file = run.compile_file


def with_once(program: Program) -> Program:
    graphs = {}
    for name, graph in program.graphs.items():
        nodes = [
            evolve(node, policies=evolve(node.policies, once=ConstSource(b"charge")))
            if node.name == os.environ["ONCE_NODE"]
            else node
            for node in graph.nodes
        ]
        graphs[name] = evolve(graph, nodes=tuple(nodes))
    return evolve(program, graphs=graphs)


def compiled(*arguments: Any) -> Any:
    found = compile_file(*arguments)
    return evolve(found, program=with_once(found.program))


run.compile_file = compiled
sys.exit(main())
