"""Tests of gemma_st.dropout."""
