"""kinkproof: what is true is in `kinkproof.verify`, what is done with it in `kinkproof.solver`, shown by `kinkproof.reports`.

Importing this package imports none of them.
"""

from importlib.metadata import version

__version__ = version("kinkproof")
