"""The virtual machine: runs compiled programs. This is the front; everything else in here is private to it.

    program = bundle.loads(data)
    result = await run(program, "main", {"token": [InputItem(Secret("..."))]})

`run.py` is where to start reading: it takes inputs in (`prepare.py`), interprets the flow graph (`graph.py`) with the
calls of kernels (`compute.py`, planned by `plans.py`, placed by `placement.py`) and of drivers (`communicate.py`), and
`outcome.py` applies policies. Objects at work have neither equality nor repr, unlike values: every start of the command
line would pay for making those methods, and a repr of a whole run could show what should not be seen. Imports neither
lark nor llvmlite, and httpx only when a program uses `http`.
"""

from dandc.isolation import Limits
from dandc.vm.bundle import BundleError, dumps, loads
from dandc.vm.drivers import CallContext, Driver, DriverFailureError, EndpointAddress
from dandc.vm.failures import Fault, RunError
from dandc.vm.limits import RunLimits
from dandc.vm.local import Isolation, LocalPlacement, open_local
from dandc.vm.placement import Placement
from dandc.vm.prepare import InputItem
from dandc.vm.run import OutputItem, RunResult, run
from dandc.vm.secrets import Secret
from dandc.vm.summary import Note
from dandc.vm.watch import Event, Progress, Watch

__all__ = [
    "BundleError",
    "CallContext",
    "Driver",
    "DriverFailureError",
    "EndpointAddress",
    "Event",
    "Fault",
    "InputItem",
    "Isolation",
    "Limits",
    "LocalPlacement",
    "Note",
    "OutputItem",
    "Placement",
    "Progress",
    "RunError",
    "RunLimits",
    "RunResult",
    "Secret",
    "Watch",
    "dumps",
    "loads",
    "open_local",
    "run",
]
