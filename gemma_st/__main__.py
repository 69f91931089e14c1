"""``python -m gemma_st``: the command line, as ``accelerate launch -m gemma_st train STAGE.toml`` starts it."""

import sys

from gemma_st.cli import main

if __name__ == "__main__":
    sys.exit(main())
