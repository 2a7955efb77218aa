"""The `kinkproof` command, one file a subcommand, and the tables it prints."""

from ...verify.first_use import first_use

_HOME = {"app": "root", "main": "root"}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
