"""Tests of gemma_st.training.study."""
