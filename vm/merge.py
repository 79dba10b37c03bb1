"""Runs `a ++ b` and `a else b`: sets that become one without a call."""

from collections.abc import Sequence
from itertools import chain

from dandc.compiler.flow import MergeNode
from dandc.vm.context import NodeResult, RunContext
from dandc.vm.failures import Fault, NodeFailedError
from dandc.vm.items import EMPTY, ItemSet, sorted_by_key
from dandc.vm.shards import CardinalityError, PlanError, is_absent
from dandc.vm.tasks import off_loop

# About what bringing an item into its place touches.
_ITEM_BYTES = 64


async def run_merge(context: RunContext, node: MergeNode, sets: Sequence[ItemSet], path: str) -> NodeResult:
    """The one set; raises `NodeFailedError` for sets that no checked program gives."""
    try:
        for arg, items in zip(node.args, sets, strict=True):
            is_absent(arg, items)
        if node.kind == "first":
            return NodeResult((next((items for items in sets if len(items)), EMPTY),))
        size = _ITEM_BYTES * sum(map(len, sets))
        return NodeResult((await off_loop(size, joined, sets, node.outputs[0].key is not None),))
    except PlanError as error:
        raise NodeFailedError(Fault(error.code, str(error), path + node.name, node.span)) from None


def joined(sets: Sequence[ItemSet], keyed: bool) -> ItemSet:
    """The items of all sets: by key, equal keys and sets without keys in the order of the sets."""
    filled = [items for items in sets if len(items)]
    if len(filled) == 1 and keyed == (filled[0].keys[0] is not None):
        return filled[0]
    keys = list(chain.from_iterable(items.keys for items in filled))
    if keyed and None in keys:
        raise CardinalityError("an item without a key gets into a set with keys")
    names = list(chain.from_iterable(items.names for items in filled))
    values = list(chain.from_iterable(items.values for items in filled))
    return sorted_by_key(ItemSet(keys if keyed else [None] * len(values), names, values))
