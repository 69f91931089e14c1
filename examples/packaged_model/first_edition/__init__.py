"""How the first edition of the packaged reranker was made: all-MiniLM-L6-v2 rewritten as a Gemma."""
