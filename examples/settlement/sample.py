"""Writes a day of made-up orders where `settlement.dnd` looks for them. Standard library only.

    python sample.py FOLDER [--day 2026-11-22] [--shops N] [--orders N] [--seed N]

makes `FOLDER/orders/DAY/SHOP.json`, an object a shop with orders of all kinds: paid by card, invoice and voucher, with and
without coupons, some of them to be refused. The orders are a pure function of seed, day and shop. Whatever else
is in the folder stays; it never writes outside of it.
"""

import argparse
import json
import random
from pathlib import Path

SHOPS = ("alder", "birch", "cedar", "dogwood", "elm", "fir", "ginkgo", "hazel", "ivy", "juniper")
TIERS = ("basic", "plus", "partner")
GOODS = (("tea", 4_90), ("bread", 3_20), ("lamp", 39_00), ("chair", 129_00), ("book", 18_50), ("soap", 2_75))
LITTLE = {"id": "00000", "payment": {"invoice": 30}, "lines": [{"sku": "tea", "quantity": 1, "cents": 4_90}]}


def payment(source: random.Random) -> dict[str, object]:
    """How an order is paid; about one in twelve cannot be."""
    kind = source.choice(("card", "card", "invoice", "voucher"))
    if kind == "card":
        digits = "".join(source.choices("0123456789", k=16))
        return {"card": digits if source.random() < 0.95 else digits[:6]}
    if kind == "invoice":
        return {"invoice": source.choice((14, 30, 30, 60, 90))}
    return {"voucher": [f"GIFT{source.randrange(1000)}", source.choice((25_00, 500_00))]}


def order(source: random.Random, number: int) -> dict[str, object]:
    """One order with one to four lines."""
    lines = [
        {"sku": sku, "quantity": source.randint(1, 3), "cents": cents}
        for sku, cents in source.sample(GOODS, source.randint(1, 4))
    ]
    made: dict[str, object] = {"id": f"{number:05}", "payment": payment(source), "lines": lines}
    code = source.choice(("", "", "", "TEN", "BIG", "OLD"))
    if code:
        made["coupon"] = code
    return made


def shop_day(seed: int, day: str, shop: int, orders: int) -> dict[str, object]:
    """What one shop sold in a day. The last of ten shops sells little, so that it is carried over."""
    source = random.Random(f"{seed}/{day}/{shop}")
    made = [LITTLE] if shop % 10 == 9 else [order(source, number) for number in range(orders)]
    return {"tier": TIERS[shop % len(TIERS)], "orders": made}


def main() -> None:
    """Writes the objects and says how many."""
    parser = argparse.ArgumentParser(description="Make up a day of orders for settlement.dnd.")
    parser.add_argument("folder", type=Path, help="where `orders/` goes")
    parser.add_argument("--day", default="2026-11-22", help="the name of the day (default: 2026-11-22)")
    parser.add_argument("--shops", type=int, default=10, help="how many shops (default: 10)")
    parser.add_argument("--orders", type=int, default=50, help="orders of a shop (default: 50)")
    parser.add_argument("--seed", type=int, default=1, help="which orders (default: 1)")
    given = parser.parse_args()
    folder = given.folder / "orders" / given.day
    folder.mkdir(parents=True, exist_ok=True)
    for shop in range(given.shops):
        name = SHOPS[shop] if shop < len(SHOPS) else f"shop{shop}"
        content = json.dumps(shop_day(given.seed, given.day, shop, given.orders), indent=1)
        (folder / f"{name}.json").write_text(content + "\n", encoding="utf-8")
    print(f"{given.shops} shops in {folder}")


if __name__ == "__main__":
    main()
