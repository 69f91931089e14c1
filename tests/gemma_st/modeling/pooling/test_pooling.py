"""The function that makes poolers, and the check that it adds to the stock pooler."""

import copy
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest

from gemma_st.errors import ModelError
from gemma_st.modeling.pooling import POOLERS, AttentionPooling, FirstK, LastK, pooler, refuse_empty
from tests.gemma_st.modeling.pooling.conftest import (
    WIDTH,
    batch,
    pool,
    texts,
)


def test_what_the_factory_makes() -> None:
    """It uses the stock class wherever that computes the same."""
    stock = {name: pooler(name, WIDTH) for name in list(POOLERS)[:3]}
    assert [part.pooling_mode for part in stock.values()] == ["mean", "cls", "lasttoken"]
    assert all(type(part).__module__.startswith("sentence_transformers.") for part in stock.values())
    assert pooler("last", WIDTH, k=2).get_config_dict() == {"embedding_dimension": 16, "k": 2, "include_prompt": True}
    assert [type(pooler(name, WIDTH, k=2)) for name in ("first", "last")] == [FirstK, LastK]
    assert [pooler(name, WIDTH).probes for name in list(POOLERS)[3:]] == [1, 64]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("max", {}, "pooler='max' is not known; use one of mean, first, last, query-probe, kv-probe"),
        ("first", {"k": 0}, "k=0; expected a whole number of at least 1"),
        ("last", {"k": 1.5}, "k=1.5; expected a whole number"),
        ("mean", {"k": 2}, "pooler='mean' has no k; leave that out"),
        ("first", {"probes": 2, "heads": 2}, "pooler='first' has no probes or heads"),
        ("kv-probe", {"k": 2}, "pooler='kv-probe' has no k"),
        ("query-probe", {"heads": 3}, "heads=3 does not divide the width 16; use a divisor"),
        ("query-probe", {"heads": 0}, "heads=0; expected"),
        ("query-probe", {"probes": 0}, "probes=0; expected"),
        ("query-probe", {"width": 0}, "embedding_dimension=0; expected"),
    ],
)
def test_a_wrong_argument_is_one_line(name: str, options: dict[str, Any], message: str) -> None:
    """The error lists the allowed values."""
    with pytest.raises(ModelError) as error:
        pooler(name, **{"width": WIDTH, **options})
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ModelError, match="probe='keys' is not known; use one of query, kv"):
        AttentionPooling(WIDTH, probe="keys")


def test_the_guard_of_a_stock_pooler_survives_copies_but_not_saving(tmp_path: Path) -> None:
    """So the check is added after loading, and may be added twice."""
    empty = batch(texts((2, 0)))
    pooling = pooler("last", WIDTH)
    for guarded in (copy.deepcopy(pooling), ForkingPickler.loads(ForkingPickler.dumps(pooling)), refuse_empty(pooling)):
        assert len(guarded._forward_pre_hooks) == 1
        with pytest.raises(ModelError, match="row 1"):
            pool(guarded, empty)
    pooling.save(str(tmp_path))
    loaded = type(pooling).load(str(tmp_path))
    assert not pool(loaded, empty)[1].any()  # what the stock class makes of it
    with pytest.raises(ModelError, match="row 1"):
        pool(refuse_empty(loaded), empty)
