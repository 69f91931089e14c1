"""``gemma_st`` with sharding on CPUs: accelerate shards over GPUs only, so the processes pose as GPU processes."""

import sys
from typing import Any

from accelerate.state import DistributedType, PartialState

from gemma_st.cli import main

begin = PartialState.__init__


def pose(self: PartialState, *arguments: Any, **options: Any) -> None:
    """Start on CPUs over gloo, then set the distributed type for which accelerate shards a model."""
    begin(self, *arguments, **options)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU


if __name__ == "__main__":
    PartialState.__init__ = pose
    sys.exit(main())
