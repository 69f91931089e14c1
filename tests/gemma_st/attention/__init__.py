"""Tests of gemma_st.attention."""
