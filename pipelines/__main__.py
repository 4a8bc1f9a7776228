"""`python -m pipelines` is the command `crosswalk`."""

from pipelines.cli import main

main()
