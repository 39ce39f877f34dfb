"""Which request took a database connection and never gave it back, where in the code, and who is waiting?"""

__version__ = "0.1.0"
