"""The command line as a module, for ``python -m gemma_st`` and ``accelerate launch -m gemma_st train STAGE.toml``."""

import sys

from gemma_st.cli import main

if __name__ == "__main__":
    sys.exit(main())
