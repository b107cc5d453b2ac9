"""What all tests share."""

import signal

# A shell that starts tests in the background has them ignore ^C, and what they start as well;
# a handler is reset to the default in what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
