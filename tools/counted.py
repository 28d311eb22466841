"""A number of things in words."""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 file` and `1,200 files`.

    Args:
        count: how many there are.
        noun: in the singular; its plural takes an s.
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
