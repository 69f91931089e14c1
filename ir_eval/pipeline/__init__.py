"""What works on runs: fusion, reranking, hard negatives."""
