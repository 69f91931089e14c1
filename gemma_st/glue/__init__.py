"""GLUE and SuperGLUE: fine-tune a decoder on a task, over several seeds, and say what it scores."""
