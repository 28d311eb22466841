import io


class Terminal(io.StringIO):
    """What was written to a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What is seen in the end, and stays."""
        return [line.rpartition("\r\x1b[K")[2] for line in self.getvalue().split("\n")[:-1]]
