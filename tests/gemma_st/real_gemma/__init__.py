"""The claims of the project on Gemma 3 itself."""
