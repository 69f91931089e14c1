"""``gemma_st`` where accelerate shards a model over CPUs, too: it does so over GPUs only, and asks for their kind."""

import sys
from typing import Any

from accelerate.state import DistributedType, PartialState

from gemma_st.cli import main

begin = PartialState.__init__


def pose(self: PartialState, *arguments: Any, **options: Any) -> None:
    """Begin as ever, on CPUs and over gloo, and then call the processes' kind what accelerate shards."""
    begin(self, *arguments, **options)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU


if __name__ == "__main__":
    PartialState.__init__ = pose
    sys.exit(main())
