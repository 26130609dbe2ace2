"""The command line: typer commands, each of which loads what it needs when it runs, never before."""
