"""Tests of gemma_st."""
