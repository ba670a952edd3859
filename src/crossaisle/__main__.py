"""``python -m crossaisle``: the command line. Imports: cli.main."""

from crossaisle.cli.main import main

if __name__ == "__main__":
    main()
