"""GLUE and SuperGLUE: fine-tune a decoder on each task over several seeds, and report its scores."""
