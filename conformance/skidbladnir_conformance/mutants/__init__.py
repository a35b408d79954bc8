"""How sharp the catalogue is: it is replayed against mutants of each language's package, and must notice every one.

``model`` says what a mutant is, ``languages`` how each language makes them, ``trial`` tries one, ``results`` keeps what
was found, ``equivalents`` reads the list of those that nobody can notice, ``verdict`` sums up, ``command`` is the command.
"""
