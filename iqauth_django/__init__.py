"""Server-managed IQAuth sessions for Django.

Importing this package imports neither Django nor an HTTP library: what a name needs is loaded when it is first used.
"""

__version__ = "0.1.0"
