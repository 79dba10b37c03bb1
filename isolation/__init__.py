"""Isolation: runs one image on one context in a fresh sandbox, for about the price of one fork.

Knows neither language nor compiler nor machine: an image is the bytes of an ELF file, a context is an input block, an
outcome is a checked copy of what the image left (`docs/image.md`). Untrusted are the image, taken for arbitrary machine
code, and every byte that it leaves. Tour: `nucleus.ll` is the trusted program that forks children, `build.py` makes it,
`nucleus.py` starts it, `image.py` checks images, `layout.py` says where things lie, `pool.py` runs calls, `outcome.py`
checks outputs by comparing whole `columns.py`, `large.py` makes bytes objects of many MiB, `probe.py` says what holds on
this host, `backend.py` what another way to isolate would have to offer, `inline.py` runs trusted code without any.
`docs/security.md` says what is promised.
"""

from dandc.isolation.columns import progression, uniform
from dandc.isolation.image import Block, Image, ImageError, Usage, load_image, seal_inputs
from dandc.isolation.layout import Limits
from dandc.isolation.nucleus import Unavailable
from dandc.isolation.outcome import ABSENT, FAIL, FINISHED, NOTE, TRAP, Entries, Instances, Outcome
from dandc.isolation.pool import Pool, open_pool

__all__ = [
    "ABSENT",
    "FAIL",
    "FINISHED",
    "NOTE",
    "TRAP",
    "Block",
    "Entries",
    "Image",
    "ImageError",
    "Instances",
    "Limits",
    "Outcome",
    "Pool",
    "Unavailable",
    "Usage",
    "load_image",
    "open_pool",
    "progression",
    "seal_inputs",
    "uniform",
]
