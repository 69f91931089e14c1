"""Tests of gemma_st.glue."""
