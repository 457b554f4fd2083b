"""`python -m service.cli` is `fengsui`."""

from service.cli import main

if __name__ == "__main__":
    main()
