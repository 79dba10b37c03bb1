"""Random programs over variables that share buffers: interpreter, O0 and O2 give what the model gives."""

import pytest
from agreement import agree
from programs import program, value
from shared_buffers import PRELUDE, Generator, State


@pytest.mark.parametrize("seed", range(12))
def test_random_program(seed: int) -> None:
    """What the model says comes out everywhere."""
    body, step = Generator(seed).block(3, 14)
    state: State = {"u": [1, 2, 3], "v": [1, 2, 3], "w": [7], "g": [[1, 2, 3]], "p": ([1, 2, 3], [8])}
    step(state)
    expected = [state["u"], state["v"], state["w"], state["p"][0], state["p"][1], *state["g"]]
    text = f"""{PRELUDE}
        function f(x: array[i64]) => (y: array[array[i64]]) {{
            var u = x; var v = x; var w = [7]; var g = [x]; var p = Pair(a: x, b: [8]);
            {body}
            emit y <- [u, v, w, p.a, p.b] + g;
        }}"""

    assert expected == value(agree(program(text).kernel("f"), [[[1, 2, 3]]])[0]), text
