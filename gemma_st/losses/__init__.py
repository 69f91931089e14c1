"""Losses for the sentence-transformers trainer, one formula per file.

To add a loss over lists of candidates, write one file with a subclass of `gemma_st.losses.listwise.ListLoss` that
defines ``formula``, add one entry point to the group ``gemma_st.losses`` in ``pyproject.toml``, and add its formula in
numpy to ``tests/gemma_st/losses/test_listwise.py``. A training stage then selects it by the name of its entry point:
``loss = { name = "softmax" }``. Other installed packages add losses in the same way.
"""
