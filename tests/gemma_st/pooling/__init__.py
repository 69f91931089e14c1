"""Tests of gemma_st.pooling."""
