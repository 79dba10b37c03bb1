"""The example `settlement`, as its README says: its tests, and nights that are run against folders."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parents[2] / "examples" / "settlement"
PROGRAM = HERE / "settlement.dnd"


def order(number: int, quantity: int = 1, cents: int = 100_00, **more: Any) -> dict[str, Any]:
    lines = [{"sku": "tea", "quantity": quantity, "cents": cents}]
    return {"id": f"{number}", "payment": {"invoice": 30}, "lines": lines, **more}


def shop(tier: str, *orders: dict[str, Any]) -> str:
    return json.dumps({"tier": tier, "orders": orders})


def stored(folder: Path, day: str, **shops: str) -> None:
    """The orders of a day, in the store of the program."""
    (folder / "orders" / day).mkdir(parents=True)
    for name, content in shops.items():
        (folder / "orders" / day / f"{name}.json").write_text(content)


def settled(dandc: Any, *arguments: str) -> Any:
    """A run of `settle` with the stores in the folder that the command line works in."""
    return dandc("run", PROGRAM, "settle", "--json", *arguments)


def balances(folder: Path, day: str) -> Any:
    return json.loads((folder / "ledger" / f"{day}.json").read_text())


@pytest.mark.slow  # native code of every piece of every test
def test_its_tests_pass(dandc: Any) -> None:
    found = dandc("test", "--json", PROGRAM).worked().json
    verdicts = [test["passed"] for file in found["files"] for test in file["tests"]]
    assert len(verdicts) > 15
    assert all(verdicts)


def test_it_is_formatted_and_free_of_mistakes(dandc: Any) -> None:
    dandc("fmt", "--check", PROGRAM).worked()
    dandc("check", PROGRAM).worked()


def test_two_nights(dandc: Any, tmp_path: Path) -> None:
    """Fees by tier, an order refused, a file broken, and a balance that is carried until it is worth paying."""
    stored(
        tmp_path, "d1",
        alder=shop("partner", order(1), order(2, quantity=0)), birch=shop("basic", order(3, cents=6_00)), cedar="[",
    )  # fmt: skip
    first = settled(dandc, "-i", "day=d1").worked().json
    statements = {tuple(item["key"]): item["value"] for item in first["outputs"]["statements"]}
    assert [("basic", "birch"), ("partner", "alder")] == list(statements)
    assert (100_00, 4_00, 96_00) == tuple(statements["partner", "alder"][name] for name in ("sales", "fees", "payout"))
    assert (6_00, 54, 0) == tuple(statements["basic", "birch"][name] for name in ("sales", "fees", "payout"))
    (refused,) = first["outputs"]["refused"]
    assert (["alder", "2"], "alder 2", "a line without pieces or price") == tuple(
        refused[part] for part in ("key", "name", "value")
    )
    (broken,) = first["outputs"]["broken"]
    assert ("d1/cedar.json", "fail") == (broken["key"], broken["value"]["code"])
    assert {"ran": 2, "failed": 1} == {what: n for what, n in first["nodes"]["review"].items() if n}
    assert balances(tmp_path, "d1") == {"alder": 0, "birch": 5_46}

    stored(tmp_path, "d2", birch=shop("basic", order(4, cents=6_00)))
    second = settled(dandc, "-i", "day=d2", "-i", "previous=d1").worked().json
    (statement,) = second["outputs"]["statements"]
    assert (5_46, 5_46 + 6_00 - 54) == (statement["value"]["carried"], statement["value"]["payout"])
    assert balances(tmp_path, "d2") == {"alder": 0, "birch": 0}


def test_a_night_without_the_balances_before_it_books_nothing(dandc: Any, tmp_path: Path) -> None:
    stored(tmp_path, "d2", birch=shop("basic", order(1)))
    settled(dandc, "-i", "day=d2", "-i", "previous=d1").failed("R0720")
    assert not (tmp_path / "ledger").exists()


def test_the_sample_is_settled(dandc: Any, tmp_path: Path) -> None:
    """What `sample.py` makes up adds up: what is sold is fees, payouts and balances."""
    subprocess.run([sys.executable, HERE / "sample.py", tmp_path], check=True, stdout=subprocess.DEVNULL)
    result = settled(dandc, "-i", "day=2026-11-22").worked().json
    statements = [item["value"] for item in result["outputs"]["statements"]]
    assert len(statements) == 10
    assert result["outputs"]["refused"]
    assert result["outputs"]["broken"] == []
    left = balances(tmp_path, "2026-11-22")
    assert any(left.values())
    for s in statements:
        assert s["sales"] + s["carried"] == s["fees"] + s["payout"] + left[s["shop"]]
