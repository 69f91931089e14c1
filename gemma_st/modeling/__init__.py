"""Parts of an encoder: backbone, attention mask, poolers, heads, pair template, truncation, windows, dropout."""
