"""How the command line shows what people wrote: as it stands, never as markup, and no control reaches the terminal."""

from typing import Any

from rich.console import Console
from rich.text import Text

from include.core.words import visible


class PlainConsole(Console):
    """A console that takes no text for markup, neither in a line nor in a table's cell: our own colours are given by
    :func:`styled`.
    """

    def __init__(self) -> None:
        super().__init__(markup=False, highlight=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """*text* as it stands."""
        return super().render_str(visible(text), **{**options, "markup": False, "emoji": False})

    def say(self, text: object) -> None:
        """Print *text* as one line, however narrow the terminal is: what is in it may be copied."""
        self.print(text, soft_wrap=True)

    def flag(self, text: str, word: str = "warning", style: str = "yellow") -> None:
        """Print *text* as one line, behind *word* in *style*."""
        self.say(line(styled(word, style), f" {text}"))


def styled(text: object, style: str) -> Text:
    """*text*, as it stands, in *style*."""
    return Text(visible(str(text)), style=style)


def bold(text: object) -> Text:
    return styled(text, "bold")


def line(*parts: str | Text) -> Text:
    """One line of *parts*, one after the other."""
    return Text.assemble(*(visible(part) if isinstance(part, str) else part for part in parts))


console = PlainConsole()
