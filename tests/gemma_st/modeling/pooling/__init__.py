"""Tests of gemma_st.modeling.pooling."""
