"""`python -m mezzofanti.cli`."""

from mezzofanti.cli import main

main()
