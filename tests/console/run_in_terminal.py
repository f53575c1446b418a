"""Run charrnn with standard input as its controlling terminal, so that Ctrl-C is a signal."""

import fcntl
import os
import sys
import termios

os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "charrnn", *sys.argv[1:]])
