"""The exception for mistakes that a user can make and mend."""


class UserError(Exception):
    """A mistake in the input; commands print it as one line and exit with code 2.

    The message says what was given, what is allowed, and which command helps.
    """
