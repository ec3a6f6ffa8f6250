"""`python -m jnst`: the command."""

from jnst.cli import script

if __name__ == "__main__":
    script()
