"""The libraries that the commands use, imported once for all of their processes; nothing here starts a thread."""

import importlib

for name in (
    "datasets",
    "sentence_transformers.cross_encoder",
    "transformers.trainer",
    "gemma_st.cross_encoder",
    "ir_eval.cli.mine",
    "ir_eval.cli.run",
):
    importlib.import_module(name)
