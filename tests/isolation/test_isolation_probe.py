"""What the layers say of a host is what was tried there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from machine_code import run

from dandc.isolation import Unavailable, nucleus, open_pool, probe

# A user namespace of its own in which no further one can be made, and no capability left: an ordinary container.
CONTAINER = (
    "echo 0 > /proc/sys/user/max_user_namespaces &&"
    ' exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"'
)
# A container whose runtime forbids unshare, as they do.
FORBIDDEN = """
import ctypes, os, struct, sys
rows = [(0x20, 0, 0, 0), (0x15, 0, 1, 272), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
buffer = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *row) for row in rows))
program = struct.pack("<HxxxxxxQ", len(rows), ctypes.addressof(buffer))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.create_string_buffer(program)) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
NAMESPACES = {"user namespace", "process, network, mount and IPC namespaces"}
HOSTS: dict[str, tuple[list[str], set[str]]] = {
    "this user": ([], set()),
    "an ordinary user": (["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"], set()),
    "a container without user namespaces": (["unshare", "-Ur", "sh", "-c", CONTAINER, "sh"], NAMESPACES),
    "a container that forbids unshare": ([sys.executable, "-c", FORBIDDEN], NAMESPACES),
}


def doctor(wrapper: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    """`dandc doctor` on such a host; skips where the host cannot be made."""
    if wrapper and not shutil.which(wrapper[0]):
        pytest.skip(f"{wrapper[0]} is not installed")
    command = [*wrapper, sys.executable, "-m", "dandc", "doctor", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    if any(name in result.stderr for name in ("unshare:", "setpriv:", "cannot create", "Permission denied")):
        pytest.skip(f"no such host can be made here: {result.stderr.strip()}")
    return result


@pytest.mark.parametrize("name", HOSTS)
def test_the_doctor_tells_hosts_apart(name: str) -> None:
    """Root, an ordinary user, containers: the walls need no right at all, and only depth can be without."""
    if name == "an ordinary user" and os.geteuid() != 0:
        pytest.skip("this user is one")
    wrapper, missing = HOSTS[name]
    result = doctor(wrapper, "--json")

    layers = json.loads(result.stdout)
    assert 0 == result.returncode
    assert 10 == len(layers)
    assert not [layer["name"] for layer in layers if layer["required"] and not layer["holds"]]
    lacking = {layer["name"] for layer in layers if not layer["holds"]}
    assert missing == lacking & NAMESPACES
    for layer in layers:
        assert {"name", "stops", "holds", "seen", "enable", "required"} == layer.keys()
        assert all(layer[field] for field in ("name", "stops", "seen", "enable"))
        assert layer["required"] != layer["enable"].startswith("optional: ")


def test_the_doctor_says_to_people_what_is_without() -> None:
    """Depth that is not there is no failure, and how to have it stands beside it."""
    result = doctor(HOSTS["a container that forbids unshare"][0])

    assert 0 == result.returncode
    assert "without  user namespace: stops any right of" in result.stdout
    assert "to have it: optional: " in result.stdout
    assert "\nKernels can be run on this host.\n" in result.stdout
    assert "MISSING" not in result.stdout


def test_settings_that_forbid_user_namespaces_are_named(tmp_path: Path) -> None:
    """Each distribution has its own; without any it is the container."""
    for folder in ("user", "kernel"):
        (tmp_path / folder).mkdir()
    ask = probe._how_to_have_user_namespaces
    assert "container" in ask(tmp_path)
    (tmp_path / "user" / "max_user_namespaces").write_text("0\n")
    (tmp_path / "kernel" / "apparmor_restrict_unprivileged_userns").write_text("1\n")
    (tmp_path / "kernel" / "unprivileged_userns_clone").write_text("1\n")
    assert "sysctl user.max_user_namespaces=10000, sysctl kernel.apparmor_restrict_unprivileged_userns=0" == ask(
        tmp_path
    )


def test_the_death_of_a_nucleus_that_takes_nobody_with_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt can fail: a nucleus that is not killed leaves its child."""
    kill = nucleus.Nucleus.kill
    monkeypatch.setattr(nucleus.Nucleus, "kill", lambda _: None)

    async def all_died(timeout_ms: int) -> bool:
        async with open_pool(1) as pool:
            await pool.resize(1)
            return pool.kill_nucleus(timeout_ms)

    assert not run(all_died(50))
    monkeypatch.setattr(nucleus.Nucleus, "kill", kill)
    assert run(all_died(5000))


def test_a_pool_can_be_made_smaller_while_children_are_on_their_way() -> None:
    """Those that were ordered before and come after are dismissed too."""

    async def shrink() -> None:
        for _ in range(12):
            async with open_pool(3) as pool:
                await pool.resize(1)
                assert 1 == len(pool._slots)

    run(shrink())


def test_required_layers_hold_here() -> None:
    """A host that runs these tests has them."""
    layers = probe.probe()

    assert [] == [layer.name for layer in layers if layer.required and not layer.holds]
    assert len({layer.name for layer in layers}) == len(layers) == 10


def test_a_missing_wall_is_said_and_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pinned nucleus nothing further is tried."""

    def refuse() -> bytes:
        raise Unavailable("the sandbox nucleus is not installed")

    monkeypatch.setattr(probe, "load", refuse)
    layers = probe.probe()

    assert [True, False] == [layer.holds for layer in layers]
    assert "not installed" in layers[1].seen
    assert "install it again" in layers[1].enable


def test_a_host_without_filters_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the nucleus refuses for is in the layer that lacks."""

    def refuse(_: object) -> None:
        raise Unavailable("installing the seccomp filter: Invalid argument")

    monkeypatch.setattr(nucleus.Nucleus, "__init__", refuse)
    layers = probe.probe()

    assert ("system call filter", False) == (layers[-1].name, layers[-1].holds)
    assert "seccomp filter: Invalid argument" in layers[-1].seen
    assert "CONFIG_SECCOMP_FILTER" in layers[-1].enable
