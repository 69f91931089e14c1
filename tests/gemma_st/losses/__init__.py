"""Tests of gemma_st.losses."""
