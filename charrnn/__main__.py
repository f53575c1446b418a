"""`python -m charrnn`: the same program as the `charrnn` command."""

from charrnn.cli import main

if __name__ == "__main__":
    main()
