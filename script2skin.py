"""The one console command, ``script2skin``, with a subcommand for each job."""

import typer

app = typer.Typer(no_args_is_help=True, help="From a typed sentence to synthetic images of skin conditions.")


def main() -> None:
    app()
