"""Tests of gemma_st.modeling.masks."""
