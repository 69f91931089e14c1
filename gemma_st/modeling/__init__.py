"""The parts of an encoder: backbone, mask, pooler, head, template, truncation, dropout."""
