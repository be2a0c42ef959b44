"""Numbers as the command lines of jobs take them. Knows no command."""


# argparse puts the names of these into its message: "invalid whole_number value: '-1'".
def whole_number(text: str) -> int:
    """The number, 0 or more; raises ValueError."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def positive_number(text: str) -> int:
    """The number, 1 or more; raises ValueError."""
    number = whole_number(text)
    if number == 0:
        raise ValueError
    return number
