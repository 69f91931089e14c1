"""Tests of gemma_st.study."""
