"""Tables and pages: results on the terminal, in Markdown, in LaTeX, and as an HTML report."""
