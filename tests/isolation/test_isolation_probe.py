"""What the layers say of a host is what was tried there."""

import json
import shutil
import subprocess
import sys

import pytest

from dandc.isolation import Unavailable, nucleus, probe

ASK = """
import json
from attrs import asdict
from dandc.isolation.probe import probe
print(json.dumps([asdict(layer) for layer in probe()]))
"""
# A user namespace of its own in which no further one can be made, and no capability left: an ordinary container.
CONTAINER = (
    "echo 0 > /proc/sys/user/max_user_namespaces &&"
    ' exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"'
)


def test_required_layers_hold_here() -> None:
    """A host that runs these tests has them."""
    layers = probe.probe()

    assert [] == [layer.name for layer in layers if layer.required and not layer.holds]
    assert len({layer.name for layer in layers}) == len(layers) == 9


def test_a_container_without_user_namespaces_lacks_depth_alone() -> None:
    """The filter, the timers and the fresh address space need no right at all."""
    if not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("unshare and setpriv make the container")
    command = ["unshare", "-Ur", "sh", "-c", CONTAINER, "sh", sys.executable, "-c", ASK]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in result.stderr or "setpriv" in result.stderr or "cannot create" in result.stderr:
        pytest.skip(f"no such container can be made here: {result.stderr.strip()}")

    layers = json.loads(result.stdout)
    missing = {layer["name"] for layer in layers if not layer["holds"]}
    assert {"user namespace", "process, network, mount and IPC namespaces"} == missing
    assert not [layer["name"] for layer in layers if layer["required"] and not layer["holds"]]


def test_a_missing_wall_is_said_and_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pinned nucleus nothing further is tried."""

    def refuse() -> bytes:
        raise Unavailable("the sandbox nucleus is not installed")

    monkeypatch.setattr(probe, "load", refuse)
    layers = probe.probe()

    assert [True, False] == [layer.holds for layer in layers]
    assert "not installed" in layers[1].enable


def test_a_host_without_filters_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the nucleus refuses for is in the layer that lacks."""

    def refuse(_: object) -> None:
        raise Unavailable("installing the seccomp filter: Invalid argument")

    monkeypatch.setattr(nucleus.Nucleus, "__init__", refuse)
    layers = probe.probe()

    assert ("system call filter", False) == (layers[-1].name, layers[-1].holds)
    assert "seccomp" in layers[-1].enable
