"""Where a training pod starts: ``python -m include train ORDER_ID ORDER_DIGEST``."""

import sys

from include.elsewhere.pod import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
