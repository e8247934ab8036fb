"""How the commands print: for a terminal of any width, and into a file without padding."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Self

from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

#: Nothing is wrapped or cut in a file.
FILE_WIDTH = 1_000_000


def new_console() -> Console:
    """A console on standard output that prints text as it is."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    return console


class ProgressLine:
    """On a terminal, one line that says what is going on, as long as this context lasts."""

    def __init__(self) -> None:
        self.console = new_console()
        self._line = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._line.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._line.stop()

    def now(self, what: str) -> None:
        """Something begins: its time counts from here."""
        for task in self._line.task_ids:
            self._line.remove_task(task)
        self._line.add_task(what, total=None)

    def more(self, what: str) -> None:
        """The same is going on, in other words."""
        self._line.update(self._line.task_ids[-1], description=what)


def print_line(console: Console, line: str, style: str | None = None) -> None:
    """Prints one line; a terminal wraps it without inserting line breaks."""
    console.print(Text(line, style=style or ""), soft_wrap=True)


def print_table(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], right: Sequence[bool] = ()
) -> None:
    """Prints a table; ``right`` says which columns are aligned right."""
    table = Table(box=box.SIMPLE_HEAD)
    for column, is_right in zip_longest(columns, right, fillvalue=False):
        table.add_column(Text(str(column)), justify="right" if is_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print_line(console, line.rstrip())
