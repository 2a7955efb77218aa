"""kinkproof: `verify` says what is true, `solver` does something with it, `reports` shows it.

Each is imported by its name; this package alone imports none of them.
"""

from importlib.metadata import version

__version__ = version("kinkproof")
