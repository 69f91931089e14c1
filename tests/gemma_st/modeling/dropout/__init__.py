"""Tests of gemma_st.modeling.dropout."""
