"""`python -m mockforge` is the command `mockforge`."""

from mockforge.cli import main

if __name__ == "__main__":
    main()
