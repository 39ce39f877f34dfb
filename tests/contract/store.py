"""What every store promises, whatever it is made of. Subclass `StoreContract` with a `store` fixture.

The store must read the dialects `DIALECTS`: those that ship, and one made up here whose spans say what they mean by
their names. Every test tells a store of one small world, and asks.
"""

from __future__ import annotations

from contract.store_holds import HoldsContract
from contract.store_traces import TracesContract
from contract.store_witnesses import WitnessesContract


class StoreContract(TracesContract, HoldsContract, WitnessesContract):
    """The promises. `store` is a fixture of the subclass: an empty store that reads `DIALECTS`."""
