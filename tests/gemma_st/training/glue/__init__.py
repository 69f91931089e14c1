"""Tests of gemma_st.training.glue."""
